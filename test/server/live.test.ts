import { afterAll, beforeAll, expect, test } from "vitest";
import { createResampler } from "../../src/audio/resample.ts";
import { createEngine, type Engine, readAudio } from "../../src/node.ts";
import { recordingOf } from "../support/recording.ts";
import { eventually, expectedText, metric, pieces, s16, sample, startServerHere, TestSocket } from "./socketSupport.ts";

let server: Awaited<ReturnType<typeof startServerHere>>;
let engine: Engine;
const open = (query = "", options = {}) => new TestSocket(server.address, `/v1/live${query}`, options);

beforeAll(async () => {
  server = await startServerHere({ maxLive: 2, maxSeconds: 20, idleTimeout: 0.1 });
  engine = await createEngine({ model: "tiny", device: "cpu", threads: 1 });
});
afterAll(async () => {
  await server.close();
  await engine.close();
});

async function finals(socket: TestSocket): Promise<string[]> {
  await socket.until(({ type }) => type === "done");
  return socket.messages.filter(({ final }) => final).map(({ text }) => String(text));
}

/** All places are free. */
const free = () => eventually(async () => (await metric(server.address, "sensevoice_live_sessions")) === 0);

test.each([
  ["zh.wav", 16_000],
  ["zh.wav", 24_000],
  ["en.wav", 16_000],
  ["en.wav", 24_000],
])("%s at %i Hz is heard in pieces of 100 ms", async (name, rate) => {
  const pcm = await readAudio(sample(name));
  const resample = createResampler(16_000, rate);
  const bytes = s16(Float32Array.from([...resample(pcm), ...resample()]));
  const before = await metric(server.address, "sensevoice_sound_seconds_total");
  const socket = open(`?rate=${rate}&timestamps=true`);
  await socket.ready();
  for (const piece of pieces(bytes, rate / 5)) socket.send(piece);
  socket.send({ type: "end" });
  expect(await finals(socket)).toEqual([expectedText(name)]);
  expect(await socket.closed).toEqual({ code: 1000, reason: "" });
  const last = socket.messages.at(-2);
  expect(last).toMatchObject({ final: true, stable: expectedText(name).length, language: name.slice(0, 2) });
  expect(last?.words).not.toBeNull();
  expect((await metric(server.address, "sensevoice_sound_seconds_total")) - before).toBeCloseTo(pcm.length / 16_000, 3);
});

test("the results are those of engine.stream, however the bytes are cut, in stereo and as floats", async () => {
  const { pcm } = await recordingOf(["zh.wav", "en.wav"], 2);
  const stream = engine.stream({ partialSeconds: 600 });
  const expected: unknown[] = [];
  const read = (async () => {
    for await (const { final, text, start, end } of stream) expected.push({ final, text, start, end });
  })();
  stream.write(pcm);
  stream.end();
  await read;
  expect(expected).toHaveLength(2);
  const stereo = Buffer.alloc(8 * pcm.length);
  for (const [i, x] of pcm.entries()) {
    stereo.writeFloatLE(2 * x, 8 * i);
    stereo.writeFloatLE(0, 8 * i + 4);
  }
  const socket = open("?encoding=f32le&channels=2&partialSeconds=600");
  await socket.ready();
  for (const piece of pieces(stereo, 99_991)) socket.send(piece);
  socket.send({ type: "end" });
  await socket.closed;
  const heard = socket.messages.slice(0, -1).map(({ final, text, start, end }) => ({ final, text, start, end }));
  expect(heard).toEqual(expected);
});

test("partial results come while somebody speaks, and say what is stable", async () => {
  const bytes = s16(await readAudio(sample("en.wav")));
  const socket = open("?partialSeconds=0.2");
  await socket.ready();
  for (const piece of pieces(bytes, 6400)) {
    socket.send(piece);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  socket.send({ type: "end" });
  await finals(socket);
  const results = socket.messages.slice(0, -1) as unknown as { text: string; stable: number; final: boolean }[];
  expect(results.length).toBeGreaterThan(3);
  for (const [i, { text, stable }] of results.entries()) {
    if (i === 0 || results[i].final) continue;
    expect(results[i - 1].text.startsWith(text.slice(0, stable))).toBe(true);
  }
  await free();
});

test("two sockets at once, each hears its own; a third is refused before the upgrade", async () => {
  const sockets = [open(), open()];
  await Promise.all(sockets.map((socket) => socket.ready()));
  expect(await open().opened()).toBe(429);
  await Promise.all(
    ["zh.wav", "en.wav"].map(async (name, i) => {
      for (const piece of pieces(s16(await readAudio(sample(name))), 3200)) sockets[i].send(piece);
      sockets[i].send({ type: "end" });
    }),
  );
  expect(await Promise.all(sockets.map(finals))).toEqual([[expectedText("zh.wav")], [expectedText("en.wav")]]);
  await free();
});

test.each([
  ["?nonsense=1", "nonsense", /nonsense: not known here/],
  ["?rate=7999", "rate", /rate: expected a number from 8000 on, got 7999/],
  ["?encoding=mp3", "encoding", /encoding: expected one of s16le, f32le, got "mp3"/],
  ["?language=xx", "language", /language: expected one of .*, got "xx"/],
  ["?constructor=1", "constructor", /constructor: not known here/],
  ["?itn=true&punctuation=true", null, /punctuation: expected no itn beside it/],
])("%s is refused with an error that a page can read", async (query, param, message) => {
  const socket = open(query);
  expect(await socket.closed).toEqual({ code: 1008, reason: "" });
  expect(socket.messages).toEqual([
    {
      error: {
        type: "invalid_request_error",
        code: "invalid_value",
        param,
        message: expect.stringMatching(message),
      },
    },
  ]);
  await free();
});

test.each([
  ["a text that is not JSON", "{", 1007],
  ["another text", '{"type":"begin"}', 1008],
  ["null", "null", 1008],
])("after %s there is an error, and what came before is heard", async (_, text, code) => {
  const socket = open();
  await socket.ready();
  socket.send(s16(await readAudio(sample("zh.wav"))));
  socket.ws.send(text);
  expect((await socket.closed).code).toBe(code);
  expect(socket.messages.filter(({ final }) => final)).toMatchObject([{ text: expectedText("zh.wav") }]);
  expect(socket.messages.at(-1)).toMatchObject({ error: { type: "invalid_request_error" } });
  await free();
});

test("samples that are no numbers are refused", async () => {
  const socket = open("?encoding=f32le");
  await socket.ready();
  socket.send(Buffer.alloc(4000, new Uint8Array([0, 0, 192, 127])));
  expect((await socket.closed).code).toBe(1007);
  expect(socket.messages).toMatchObject([
    { error: { message: "sound: expected finite samples, got NaN at sample 0" } },
  ]);
});

test("what is wrong with the last samples is told when the socket falls silent, too", async () => {
  const socket = open("?encoding=f32le");
  await socket.ready();
  socket.send(Buffer.from(new Uint8Array([0, 0, 192, 127])));
  expect((await socket.closed).code).toBe(1001);
  expect(socket.messages).toMatchObject([
    { error: { message: "sound: expected finite samples, got NaN at sample 0" } },
  ]);
  await free();
});

test("a message of more than 1 MiB closes the socket with 1009", async () => {
  const socket = open();
  await socket.ready();
  socket.send(Buffer.alloc(2 ** 20 + 1));
  expect((await socket.closed).code).toBe(1009);
  await free();
});

test("a session of more than maxSeconds ends with what was heard, then an error", async () => {
  const { pcm } = await recordingOf(["zh.wav", "en.wav", "en.wav"], 2);
  expect(pcm.length / 16_000).toBeGreaterThan(20);
  const socket = open();
  await socket.ready();
  for (const piece of pieces(s16(pcm), 64_000)) socket.send(piece);
  expect((await socket.closed).code).toBe(1008);
  expect(socket.messages.at(-1)).toMatchObject({
    error: { code: "session_too_long", message: "expected at most 20 seconds of sound in a session, got more" },
  });
  const texts = socket.messages.filter(({ final }) => final).map(({ text }) => text);
  expect(texts.slice(0, 2)).toEqual([expectedText("zh.wav"), expectedText("en.wav")]);
  await free();
});

test("a socket that sends nothing is closed with a sentence, after its sound was heard", async () => {
  const socket = open();
  await socket.ready();
  socket.send(s16(await readAudio(sample("zh.wav"))));
  expect(await socket.closed).toEqual({ code: 1001, reason: "nothing came for 1 seconds" });
  expect(socket.messages.at(-1)).toMatchObject({ final: true, text: expectedText("zh.wav") });
  await free();
});

test("who sends faster than is heard is slowed down, and nothing is lost", async () => {
  const fast = await startServerHere({ maxSeconds: 600 });
  const socket = new TestSocket(fast.address, "/v1/live?vad=energy&partialSeconds=600");
  await socket.ready();
  const { pcm } = await recordingOf(["en.wav", "zh.wav", "en.wav", "zh.wav"], 1);
  const bytes = s16(pcm);
  const rounds = 16;
  for (let round = 0; round < rounds; round++) for (const piece of pieces(bytes, 32_000)) socket.send(piece);
  socket.send({ type: "end" });
  for (const i of [1, 6]) {
    await eventually(() => socket.messages.length > i);
    expect(socket.ws.bufferedAmount).toBeGreaterThan(2 ** 20); // it waits here, not there
  }
  await finals(socket);
  const texts = socket.messages.filter(({ final, text }) => final && text !== "").map(({ text }) => text);
  const [en, zh] = [expectedText("en.wav"), expectedText("zh.wav")];
  expect(texts).toEqual(Array.from({ length: rounds }, () => [en, zh, en, zh]).flat());
  await fast.close();
});

test("a service that stops hears what has come, then closes with 1001", async () => {
  const stopping = await startServerHere();
  const socket = new TestSocket(stopping.address, "/v1/live");
  await socket.ready();
  for (const piece of pieces(s16(await readAudio(sample("zh.wav"))), 3200)) socket.send(piece);
  await socket.until(({ final }) => final === false);
  const stopped = stopping.close();
  expect(await socket.closed).toEqual({ code: 1001, reason: "the service is stopping" });
  expect(socket.messages.at(-1)).toMatchObject({ final: true });
  expect(expectedText("zh.wav").startsWith(String(socket.messages.at(-1)?.text).slice(0, 2))).toBe(true);
  await stopped;
});
