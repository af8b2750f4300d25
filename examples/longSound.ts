/** A recording of any length, segment by segment as it is heard: npx tsx examples/longSound.ts FILE */
import { createEngine } from "../src/node.ts";

const engine = await createEngine({ model: "tiny" });
for await (const { start, end, language, text } of engine.transcribe(process.argv[2] ?? "samples/zh.wav")) {
  console.log(`${start.toFixed(1)}–${end.toFixed(1)} s (${language}) ${text}`);
}
await engine.close();
