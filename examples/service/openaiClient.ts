/** OpenAI's own client, another address: npx tsx examples/service/openaiClient.ts FILE [ADDRESS] */
import { createReadStream } from "node:fs";
import OpenAI from "openai";

const [file, address = "http://127.0.0.1:8000"] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: process.env.SENSEVOICE_KEY ?? "none" });

const { text } = await client.audio.transcriptions.create({ file: createReadStream(file), model: "sensevoice" });
console.log(text);

const events = await client.audio.transcriptions.create({
  file: createReadStream(file),
  model: "sensevoice",
  stream: true,
});
for await (const event of events) {
  if (event.type === "transcript.text.delta") process.stdout.write(event.delta);
}
console.log();
