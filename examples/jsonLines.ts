/** One JSON object a line per file; a file that fails does not stop the others: npx tsx examples/jsonLines.ts FILE... */
import { createEngine, readAudio, SenseVoiceError } from "../src/node.ts";

const engine = await createEngine();
for (const file of process.argv.slice(2)) {
  try {
    const { text, language, duration } = await engine.run(await readAudio(file));
    console.log(JSON.stringify({ file, text, language, duration }));
  } catch (error) {
    if (!(error instanceof SenseVoiceError)) throw error; // a bug; what the user can act on has one line
    console.log(JSON.stringify({ file, error: error.message }));
  }
}
await engine.close();
