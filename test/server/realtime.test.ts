import { connect } from "node:net";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { expect, test } from "vitest";
import { createEngine, readAudio } from "../../src/node.ts";
import { recordingOf } from "../support/recording.ts";
import {
  append,
  atRate,
  commit,
  completed,
  input,
  realtimeServer,
  TRANSCRIPTION,
  transcripts,
} from "./realtimeSupport.ts";
import { eventually, expectedText, pieces, s16, sample, startServerHere, TestSocket } from "./socketSupport.ts";

const { open, address } = realtimeServer();

/** The parts of a socket's events that belong together: every item's deltas, in order, before its transcript. */
function checkItems({ messages }: TestSocket): { deltas: number; whole: number } {
  let [deltas, whole, previous] = [0, 0, null as unknown];
  expect(new Set(messages.map(({ event_id }) => event_id)).size).toBe(messages.length);
  for (const { item_id, previous_item_id } of messages.filter(({ type }) => type === "input_audio_buffer.committed")) {
    expect(previous_item_id).toBe(previous);
    previous = item_id;
    const own = messages.filter((message) => message.item_id === item_id);
    expect(own.at(-1)?.type).toMatch(/\.completed$/);
    const told = own.filter(({ type }) => type === `${TRANSCRIPTION}.delta`).map(({ delta }) => String(delta));
    expect(told.every((delta) => delta !== "")).toBe(true);
    deltas += told.length;
    if (told.join("") === own.at(-1)?.transcript) whole++;
  }
  return { deltas, whole };
}

test.each([
  ["zh.wav", 24_000],
  ["zh.wav", 16_000],
  ["en.wav", 24_000],
  ["en.wav", 16_000],
])("%s at %i Hz in pieces of 100 ms, cut by server VAD", async (name, rate) => {
  const { pcm } = await recordingOf([name], 2);
  const socket = open();
  await socket.until(({ type }) => type === "session.created");
  socket.send(
    input({ format: { type: "audio/pcm", rate }, turn_detection: { type: "server_vad", silence_duration_ms: 500 } }),
  );
  expect(await socket.until(({ type }) => type === "session.updated")).toMatchObject({
    session: {
      type: "transcription",
      audio: { input: { format: { type: "audio/pcm", rate }, turn_detection: { silence_duration_ms: 500 } } },
    },
  });
  for (const piece of pieces(atRate(pcm, rate), rate / 5 + 1)) socket.send(append(piece));
  expect(await socket.until(completed)).toMatchObject({
    transcript: expectedText(name),
    content_index: 0,
    usage: { type: "duration" },
  });
  expect(
    socket.messages
      .slice(2)
      .map(({ type }) => type)
      .filter((type) => type !== `${TRANSCRIPTION}.delta`),
  ).toEqual([
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    `${TRANSCRIPTION}.completed`,
  ]);
  const [started, stopped] = socket.messages.filter(({ type }) => type?.includes("speech_"));
  expect(Number(started.audio_start_ms)).toBeGreaterThan(1500);
  expect(Number(stopped.audio_end_ms)).toBeGreaterThan(5000);
  expect(checkItems(socket).whole).toBe(1);
});

test("deltas come while somebody speaks, are never taken back, and are the transcript in the end", async () => {
  const names = ["zh.wav", "en.wav", "ja.wav", "ko.wav", "yue.wav"];
  const { pcm } = await recordingOf(names, 1.5);
  const socket = open("?partialSeconds=0.2");
  await socket.ready();
  for (const piece of pieces(atRate(pcm, 24_000), 4800)) {
    socket.send(append(piece));
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  socket.send(commit);
  await eventually(() => socket.messages.filter(completed).length >= names.length);
  const { deltas, whole } = checkItems(socket);
  expect(deltas).toBeGreaterThan(2 * names.length);
  expect(whole).toBe(socket.messages.filter(completed).length);
});

test("OpenAI's own client is served", async () => {
  const client = new OpenAI({ apiKey: "x", baseURL: `${address()}/v1` });
  // It always asks for TLS, which whatever stands in front of the server would end.
  const createConnection = () => connect(Number(new URL(address()).port), "127.0.0.1");
  const realtime = new OpenAIRealtimeWS({ model: "sensevoice", options: { createConnection } }, client);
  const texts: string[] = [];
  const done = new Promise<string>((resolve, reject) => {
    realtime.on("error", reject);
    realtime.on("session.created", () => {
      realtime.send({
        type: "session.update",
        session: {
          type: "transcription",
          include: ["item.input_audio_transcription.logprobs"],
          audio: { input: { transcription: { model: "whisper-1", language: "en" }, turn_detection: null } },
        },
      });
    });
    realtime.on("session.updated", async () => {
      const bytes = atRate(await readAudio(sample("en.wav")), 24_000);
      for (const piece of pieces(bytes, 4800)) {
        realtime.send({ type: "input_audio_buffer.append", audio: piece.toString("base64") });
      }
      realtime.send({ type: "input_audio_buffer.commit" });
    });
    realtime.on("conversation.item.input_audio_transcription.delta", ({ delta }) => texts.push(delta ?? ""));
    realtime.on("conversation.item.input_audio_transcription.completed", ({ transcript, logprobs, usage }) => {
      expect(logprobs?.length).toBeGreaterThan(5);
      expect(
        logprobs
          ?.map(({ token }) => token)
          .join("")
          .trim(),
      ).toBe(transcript);
      expect(logprobs?.every(({ logprob }) => logprob <= 0)).toBe(true);
      expect(usage).toEqual({ type: "duration", seconds: 5.795 });
      resolve(transcript);
    });
  });
  expect(await done).toBe(expectedText("en.wav"));
  expect(texts.join("")).toBe(expectedText("en.wav"));
  realtime.close();
});

test("without turn detection what is committed is heard, one after another, however long", async () => {
  const socket = open();
  await socket.ready();
  socket.send(input({ turn_detection: null, format: { type: "audio/pcm", rate: 16_000 } }));
  const { pcm } = await recordingOf(["en.wav", "zh.wav", "en.wav", "zh.wav"], 3);
  expect(pcm.length / 16_000).toBeGreaterThan(30);
  const clips = [await readAudio(sample("zh.wav")), pcm, await readAudio(sample("en.wav"))];
  for (const clip of clips) {
    for (const piece of pieces(s16(clip), 32_001)) socket.send(append(piece));
    socket.send(commit);
  }
  await eventually(() => socket.messages.filter(completed).length === 3);
  const engine = await createEngine({ model: "tiny", device: "cpu", threads: 1 });
  const long: string[] = [];
  for await (const { text } of engine.transcribe(pcm.map((x) => Math.round(x * 32_768) / 32_768))) long.push(text);
  await engine.close();
  expect(long.length).toBeGreaterThan(1);
  expect(transcripts(socket)).toEqual([expectedText("zh.wav"), long.join(" "), expectedText("en.wav")]);
  expect(checkItems(socket).whole).toBe(3);
  expect(socket.messages.filter(completed).map(({ usage }) => (usage as { seconds: number }).seconds)).toEqual(
    clips.map(({ length }) => Math.round(length / 16) / 1000),
  );
});

test("a commit with server VAD makes what is open final; without speech the transcript is empty", async () => {
  const socket = open();
  await socket.ready();
  socket.send(append(atRate(await readAudio(sample("zh.wav")), 24_000)));
  socket.send(commit);
  expect(await socket.until(completed)).toMatchObject({ transcript: expectedText("zh.wav") });
  const from = socket.messages.length;
  socket.send(append(Buffer.alloc(48_000)));
  socket.send(commit);
  expect(await socket.until(completed, from)).toMatchObject({ transcript: "", usage: { seconds: 1 } });
  socket.send({ ...commit, event_id: "mine" });
  expect(await socket.until(({ type }) => type === "error")).toMatchObject({
    error: { code: "input_audio_buffer_commit_empty", event_id: "mine" },
  });
});

test.each([null, { type: "server_vad" }])(
  "what is cleared is not heard, with turn detection %o",
  async (turn_detection) => {
    const socket = open();
    await socket.ready();
    socket.send(input({ turn_detection }));
    socket.send(append(atRate(await readAudio(sample("zh.wav")), 24_000)));
    socket.send({ type: "input_audio_buffer.clear" });
    await socket.until(({ type }) => type === "input_audio_buffer.cleared");
    socket.send(append(atRate(await readAudio(sample("en.wav")), 24_000)));
    socket.send(commit);
    await socket.until(completed);
    expect(transcripts(socket)).toEqual([expectedText("en.wav")]);
    socket.ws.close();
    await socket.closed;
  },
);

test("the older form is answered in the older form", async () => {
  const socket = open();
  await socket.ready();
  socket.send({
    type: "transcription_session.update",
    session: {
      input_audio_format: "pcm16",
      input_audio_transcription: { model: "gpt-4o-transcribe", prompt: "country", language: "en" },
      turn_detection: { type: "server_vad", threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500 },
      input_audio_noise_reduction: null,
    },
  });
  expect(await socket.until(({ type }) => type === "transcription_session.updated")).toMatchObject({
    session: { input_audio_format: "pcm16", input_audio_transcription: { language: "en" } },
  });
  socket.send(append(atRate(await readAudio(sample("en.wav")), 24_000)));
  socket.send(commit);
  await socket.until(completed);
  expect(transcripts(socket)).toEqual([expectedText("en.wav")]);
  const [added, created] = ["added", "created"].map((name) =>
    socket.messages.find(({ type }) => type === `conversation.item.${name}`),
  );
  expect(created?.item).toEqual(added?.item);
});

test("two sessions at once, each hears its own", async () => {
  const sockets = [open(), open()];
  await Promise.all(sockets.map((socket) => socket.ready()));
  await Promise.all(
    ["zh.wav", "en.wav"].map(async (name, i) => {
      for (const piece of pieces(atRate(await readAudio(sample(name)), 24_000), 4800)) sockets[i].send(append(piece));
      sockets[i].send(commit);
    }),
  );
  await Promise.all(sockets.map((socket) => socket.until(completed)));
  expect(sockets.map(transcripts)).toEqual([[expectedText("zh.wav")], [expectedText("en.wav")]]);
  expect(await open().opened()).toBe(429);
});

test("a service that stops makes what is open final, then closes with 1001", async () => {
  const stopping = await startServerHere();
  const socket = new TestSocket(stopping.address, "/v1/realtime");
  await socket.ready();
  for (const piece of pieces(atRate(await readAudio(sample("zh.wav")), 24_000), 4800)) socket.send(append(piece));
  await socket.until(({ type }) => type === "input_audio_buffer.speech_started");
  const stopped = stopping.close();
  expect(await socket.closed).toEqual({ code: 1001, reason: "the service is stopping" });
  expect(transcripts(socket)).toHaveLength(1);
  await stopped;
});
