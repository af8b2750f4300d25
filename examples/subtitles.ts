/** Subtitles of a recording of any length: npx tsx examples/subtitles.ts FILE > FILE.srt */
import { createEngine, type Segment, writeDocument } from "../src/node.ts";

const engine = await createEngine({ model: "tiny" });
const segments: Segment[] = [];
for await (const segment of engine.transcribe(process.argv[2] ?? "samples/zh.wav", {
  vad: "energy",
  timestamps: true,
})) {
  segments.push(segment);
}
process.stdout.write(writeDocument("srt", { duration: segments.at(-1)?.end ?? 0, segments }, { marks: "words" }));
await engine.close();
