/** A sound file to text: npx tsx examples/transcribe.ts FILE */
import { createEngine, readAudio } from "../src/node.ts"; // from "sensevoice" in your own project

const engine = await createEngine({ model: "tiny" }); // "small" once you have downloaded it
const sound = await readAudio(process.argv[2] ?? "samples/zh.wav");
const { text } = await engine.run(sound, { itn: true });
console.log(text);
await engine.close();
