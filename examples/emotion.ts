/** Language, emotion and sound events beside the words: npx tsx examples/emotion.ts FILE */
import { createEngine, readAudio } from "../src/node.ts";

const engine = await createEngine();
const { raw, text, language, emotion, events } = await engine.run(
  await readAudio(process.argv[2] ?? "samples/en-angry.wav"),
);
console.log(`what the model says    ${raw}`);
console.log(`for people             ${text}`);
console.log(`language ${language}, emotion ${emotion}, events ${events.join(", ")}`);
await engine.close();
