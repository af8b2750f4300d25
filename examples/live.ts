/** Live sound, partial results first: ffmpeg -i FILE -f f32le -ac 1 -ar 16000 - | npx tsx examples/live.ts */
import { createEngine } from "../src/node.ts";

const engine = await createEngine({ model: "tiny" });
const stream = engine.stream();
process.stdin.on("end", () => stream.end());
process.stdin.on("data", (bytes: Buffer) => {
  // A whole number of samples; a program of your own would keep the rest for the next piece.
  void stream.write(new Float32Array(new Uint8Array(bytes).buffer, 0, Math.floor(bytes.length / 4)));
});
for await (const { final, text, stable } of stream) {
  console.log(final ? text : `… ${text.slice(0, stable)}|${text.slice(stable)}`);
}
await engine.close();
