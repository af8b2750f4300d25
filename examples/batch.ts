/** Several files in one pass, which keeps a GPU busy: npx tsx examples/batch.ts FILE... */
import { createEngine, readAudio } from "../src/node.ts";

const files = process.argv.slice(2);
const engine = await createEngine();
const sounds = await Promise.all(files.map((file) => readAudio(file)));
const transcripts = await engine.runBatch(sounds);
for (const [i, { language, text }] of transcripts.entries()) console.log(`${files[i]} (${language}): ${text}`);

const seconds = transcripts.reduce((sum, { duration }) => sum + duration, 0);
console.error(`${seconds.toFixed(1)} s of sound in ${(transcripts[0].timings.total / 1000).toFixed(1)} s`);
await engine.close();
