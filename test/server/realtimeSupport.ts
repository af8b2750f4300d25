import { createResampler } from "../../src/audio/resample.ts";
import { type Message, s16, type TestSocket } from "./socketSupport.ts";

export const TRANSCRIPTION = "conversation.item.input_audio_transcription";
export function atRate(pcm: Float32Array, rate: number): Buffer {
  const resample = createResampler(16_000, rate);
  return s16(Float32Array.from([...resample(pcm), ...resample()]));
}

export const append = (bytes: Buffer) => ({ type: "input_audio_buffer.append", audio: bytes.toString("base64") });
export const commit = { type: "input_audio_buffer.commit" };
export const input = (settings: object) => ({
  type: "session.update",
  session: { type: "transcription", audio: { input: settings } },
});
export const completed = ({ type }: Message) => type === `${TRANSCRIPTION}.completed`;
export const transcripts = ({ messages }: TestSocket) => messages.filter(completed).map(({ transcript }) => transcript);
