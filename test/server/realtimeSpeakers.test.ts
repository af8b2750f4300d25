import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { readAudio } from "../../src/node.ts";
import { modelPath, SPEAKER_ID } from "../../src/weights/home.ts";
import { writeSpeakerFolder } from "../convert/speakerFolder.ts";
import { recordingOf } from "../support/recording.ts";
import { append, atRate, commit, completed, input } from "./realtimeSupport.ts";
import { sample, startServerHere, TestSocket } from "./socketSupport.ts";

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-realtime-"));
let server: Awaited<ReturnType<typeof startServerHere>>;
beforeAll(async () => {
  vi.stubEnv("SENSEVOICE_HOME", scratch);
  writeSpeakerFolder(scratch);
  await convertModel(scratch, modelPath(SPEAKER_ID), { dtype: "f16" });
  server = await startServerHere();
});
afterAll(async () => {
  await server.close();
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true });
});

async function open(): Promise<TestSocket> {
  const socket = new TestSocket(server.address, "/v1/realtime?intent=transcription");
  await socket.until(({ type }) => type === "session.created");
  return socket;
}

const withSpeakers = (speakers: unknown, settings: object = {}) => {
  const { type, session } = input(settings);
  return { type, session: { ...session, speakers } };
};

test("speakers are asked for with the session, and told with each transcript; a commit changes no labels", async () => {
  const socket = await open();
  socket.send(withSpeakers(true));
  expect(await socket.until(({ type }) => type === "session.updated")).toMatchObject({ session: { speakers: true } });
  const { pcm } = await recordingOf(["zh.wav", "en.wav"], 2);
  socket.send(append(atRate(pcm, 24_000)));
  await socket.until((message) => completed(message) && String(message.transcript).includes("country"));
  socket.send(append(atRate(await readAudio(sample("zh.wav")), 24_000)));
  socket.send(commit);
  const [first] = socket.messages.filter(completed);
  await socket.until(completed, socket.messages.length);
  const told = socket.messages.filter(completed);
  expect(told.map(({ speaker }) => speaker)).toEqual(["S1", "S1", "S1"]);
  expect(told[2].transcript).toBe(first.transcript);
  socket.ws.close();
});

test("without being asked nothing is said of speakers", async () => {
  const socket = await open();
  const { pcm } = await recordingOf(["zh.wav"], 2);
  socket.send(append(atRate(pcm, 24_000)));
  expect(await socket.until(completed)).not.toHaveProperty("speaker");
  socket.ws.close();
});

test.each([
  ["nobody", withSpeakers(0), "speakers"],
  ["a word", withSpeakers("two"), "speakers"],
  ["sound that is committed by hand", withSpeakers(2, { turn_detection: null }), "speakers: expected turn_detection"],
])("%s is an error, and the session stays", async (_, update, message) => {
  const socket = await open();
  socket.send(update);
  const { error } = await socket.until(({ type }) => type === "error");
  expect(error).toMatchObject({ type: "invalid_request_error", message: expect.stringContaining(message) });
  socket.send(withSpeakers(2));
  expect(await socket.until(({ type }) => type === "session.updated")).toMatchObject({ session: { speakers: 2 } });
  socket.ws.close();
});
