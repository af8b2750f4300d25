/** Giving up a run. AbortSignal.timeout(ms) is a signal too: npx tsx examples/abort.ts FILE */
import { createEngine, readAudio } from "../src/node.ts";

const engine = await createEngine();
const sound = await readAudio(process.argv[2] ?? "samples/zh.wav");

const controller = new AbortController();
const run = engine.run(sound, { signal: controller.signal });
controller.abort(new Error("the user pressed stop"));
await run.catch((error: Error) => console.log(`given up: ${error.message}`));

console.log((await engine.run(sound)).text); // the engine goes on
await engine.close();
