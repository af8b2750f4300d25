import { afterAll, afterEach, beforeAll } from "vitest";
import { createResampler } from "../../src/audio/resample.ts";
import { eventually, type Message, metric, s16, startServerHere, TestSocket } from "./socketSupport.ts";

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

/** A server with two places for a file's tests; after each test both are free again. */
export function realtimeServer() {
  let server: Awaited<ReturnType<typeof startServerHere>>;
  const opened: TestSocket[] = [];
  beforeAll(async () => {
    server = await startServerHere({ maxLive: 2, maxSeconds: 100 });
  });
  afterEach(async () => {
    for (const { ws } of opened.splice(0)) ws.close();
    await eventually(async () => (await metric(server.address, "sensevoice_live_sessions")) === 0);
  });
  afterAll(() => server.close());
  return {
    address: () => server.address,
    open(query = "?intent=transcription", options = {}): TestSocket {
      const socket = new TestSocket(server.address, `/v1/realtime${query}`, options);
      opened.push(socket);
      return socket;
    },
  };
}
