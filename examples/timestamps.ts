/** When each word was said, and how sure the model is of it: npx tsx examples/timestamps.ts FILE */
import { createEngine, readAudio } from "../src/node.ts";

const engine = await createEngine();
const { words } = await engine.run(await readAudio(process.argv[2] ?? "samples/en.wav"), {
  timestamps: true,
});
for (const { word, start, end, confidence } of words ?? []) {
  console.log(`${start.toFixed(2)}–${end.toFixed(2)} s  ${(100 * confidence).toFixed(0)} %  ${word}`);
}
await engine.close();
