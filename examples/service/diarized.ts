/** Who says what, with the name of whom it knows: npx tsx examples/service/diarized.ts FILE [ADDRESS] [NAME VOICE.wav] */
import { createReadStream, readFileSync } from "node:fs";
import OpenAI from "openai";
import type { TranscriptionDiarized } from "openai/resources/audio/transcriptions";

const [file, address = "http://127.0.0.1:8000", name, voice] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: process.env.SENSEVOICE_KEY ?? "none" });
const reference = voice && `data:audio/wav;base64,${readFileSync(voice, "base64")}`;
const answer = await client.audio.transcriptions.create({
  file: createReadStream(file),
  model: "sensevoice",
  response_format: "diarized_json",
  ...(reference && { known_speaker_names: [name], known_speaker_references: [reference] }),
});
for (const { speaker, text } of (answer as unknown as TranscriptionDiarized).segments)
  console.log(`${speaker}: ${text}`);
