import { expect, test } from "vitest";
import { readAudio } from "../../src/node.ts";
import { keyOfRequest } from "../../src/server/token.ts";
import { append, atRate, commit, completed, input, realtimeServer, transcripts } from "./realtimeSupport.ts";
import { eventually, expectedText, sample } from "./socketSupport.ts";

const { open } = realtimeServer();

const inputError = (settings: object) => ({ ...input(settings), event_id: "mine" });
test.each([
  ["{", null, /^expected an event in JSON/],
  ["null", null, /^type: expected one of session\.update, .* got nothing/],
  [{ type: "response.create", event_id: "mine" }, "mine", /^type: expected one of .* got "response.create"/],
  [{ type: "constructor" }, null, /got "constructor"/],
  [{ type: "input_audio_buffer.append", audio: "%%%%", event_id: "mine" }, "mine", /^audio: expected bytes in base64/],
  [{ type: "input_audio_buffer.append", audio: "abc" }, null, /^audio: expected bytes in base64/],
  [{ type: "input_audio_buffer.append", event_id: "mine" }, "mine", /^audio: expected a text, got nothing/],
  [
    { type: "session.update", session: { type: "realtime" } },
    null,
    /session\.type: expected "transcription", got "realtime"/,
  ],
  [inputError({ noise_reduction: { type: "near_field" } }), "mine", /noise_reduction: expected null, got an object/],
  [inputError({ turn_detection: { type: "semantic_vad" } }), "mine", /expected "server_vad", got "semantic_vad"/],
  [inputError({ format: { type: "audio/pcmu" } }), "mine", /expected "audio\/pcm", got "audio\/pcmu"/],
  [inputError({ format: { type: "audio/pcm", rate: 8000 } }), "mine", /rate: expected one of 24000, 16000, got 8000/],
  [inputError({ transcription: { language: "tlh" } }), "mine", /language: expected one of .*, got "tlh"/],
  [
    inputError({ turn_detection: { type: "server_vad", silence_duration_ms: 60_000 } }),
    "mine",
    /^session.audio.input.turn_detection.silence_duration_ms: expected/,
  ],
  [
    { type: "transcription_session.update", session: { input_audio_format: "g711_ulaw" } },
    null,
    /input_audio_format: expected "pcm16", got "g711_ulaw"/,
  ],
])("%j is told in an error event, and the session goes on", async (event, id, message) => {
  const socket = open();
  await socket.ready();
  socket.ws.send(typeof event === "string" ? event : JSON.stringify(event));
  expect(await socket.until(({ type }) => type === "error")).toMatchObject({
    error: { type: "invalid_request_error", message: expect.stringMatching(message), event_id: id },
  });
  socket.send(Buffer.from("binary"));
  await eventually(() => socket.messages.filter(({ type }) => type === "error").length === 2);
  socket.send(append(atRate(await readAudio(sample("zh.wav")), 24_000)));
  socket.send(commit);
  expect(await socket.until(completed)).toMatchObject({ transcript: expectedText("zh.wav") });
});

test("a session of more than maxSeconds ends with what was heard, then an error event", async () => {
  const socket = open();
  await socket.ready();
  socket.send(append(atRate(await readAudio(sample("zh.wav")), 24_000)));
  for (let i = 0; i < 10; i++) socket.send(append(Buffer.alloc(480_000)));
  expect((await socket.closed).code).toBe(1008);
  expect(transcripts(socket)[0]).toBe(expectedText("zh.wav"));
  expect(socket.messages.at(-1)).toMatchObject({ type: "error", error: { code: "session_too_long" } });
});

test("an address with other options is told in an error event", async () => {
  const socket = open("?call_id=1");
  expect((await socket.closed).code).toBe(1008);
  expect(socket.messages).toMatchObject([{ type: "error", error: { param: "call_id" } }]);
});

test("a browser's key is a subprotocol, which is not the one answered with", async () => {
  const protocols = ["realtime", "openai-insecure-api-key.sv-1", "openai-beta.realtime-v1"];
  const socket = open("", { protocols });
  expect(await socket.opened()).toBe(101);
  expect(socket.ws.protocol).toBe("realtime");
  socket.ws.close();
  const headers = { upgrade: "websocket", "sec-websocket-protocol": protocols.join(", ") };
  expect(keyOfRequest(headers)).toBe("sv-1");
  expect(keyOfRequest({ ...headers, upgrade: undefined })).toBe(undefined);
  expect(keyOfRequest({ ...headers, authorization: "Bearer sv-2" })).toBe("sv-2");
  expect(keyOfRequest({ authorization: "Basic abc" })).toBe(undefined);
});
