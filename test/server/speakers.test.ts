import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { BadRequestError, toFile } from "openai";
import type { TranscriptionDiarized, TranscriptionStreamEvent } from "openai/resources/audio/transcriptions";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../src/node.ts";
import type { Decoding } from "../../src/server/decoding.ts";
import { type EnginePlaces, LocalTranscriber, speakerDigest } from "../../src/server/local.ts";
import { diarizedSchema, eventSchema, transcriptSchema } from "../../src/server/responses.ts";
import type { Segment } from "../../src/speech/segment.ts";
import { makeSpeakerModel } from "../support/speakerModel.ts";
import { formOf, SAMPLES, startTestServer, type TestServer } from "./support.ts";

const bytes = (name: string) => new Uint8Array(readFileSync(join(SAMPLES, name)));
const dataUrl = (sound: Uint8Array) => `data:audio/wav;base64,${Buffer.from(sound).toString("base64")}`;
/** So many seconds of a sample of 16 bits a second at 16 kHz, again and again. */
function wavOf(name: string, seconds: number): Uint8Array<ArrayBuffer> {
  const wav = bytes(name);
  const samples = wav.subarray(44);
  const data = new Uint8Array(32_000 * seconds);
  for (let at = 0; at < data.length; at += samples.length)
    data.set(samples.subarray(0, Math.min(samples.length, data.length - at)), at);
  const header = wav.slice(0, 44);
  new DataView(header.buffer).setUint32(4, 36 + data.length, true);
  new DataView(header.buffer).setUint32(40, data.length, true);
  return new Uint8Array([...header, ...data]);
}

describe("a service with a speaker model", () => {
  let server: TestServer;
  let client: OpenAI;
  let speaker: Awaited<ReturnType<typeof makeSpeakerModel>>;
  beforeAll(async () => {
    speaker = await makeSpeakerModel();
    server = await startTestServer(["--speaker-model", speaker.dir]);
    client = new OpenAI({ apiKey: "none", baseURL: `${server.address}/v1`, maxRetries: 0 });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.log()).not.toContain('"level":50');
    speaker.remove();
  });
  const ask = async () => ({ file: await toFile(bytes("en.wav"), "a.wav"), model: "gpt-4o-transcribe-diarize" });
  const diarized = async (more: object = {}) => {
    const answer = await client.audio.transcriptions.create({
      ...(await ask()),
      ...more,
      response_format: "diarized_json",
      chunking_strategy: "auto",
    });
    return answer as unknown as TranscriptionDiarized;
  };
  const post = async (fields: Readonly<Record<string, string>>, name = "en.wav") => {
    const answer = await fetch(`${server.address}/v1/transcribe`, {
      method: "POST",
      body: formOf(bytes(name), fields),
    });
    return { status: answer.status, cache: answer.headers.get("x-cache"), text: await answer.text() };
  };
  const message = ({ text }: { text: string }) => JSON.parse(text).error.message;

  test("OpenAI's client gets who says what as diarized_json", async () => {
    const answer = await diarized();
    expect(diarizedSchema.parse(answer)).toEqual(answer);
    expect(answer).toMatchObject({ task: "transcribe", usage: { type: "duration", seconds: 6 } });
    expect(answer.duration).toBeCloseTo(5.79, 1);
    expect(answer.segments).toMatchObject([
      { type: "transcript.text.segment", id: "seg_001", speaker: "A", text: answer.text },
    ]);
    expect(answer.text).toMatch(/^ask not what/);
    expect(answer.segments[0].end).toBeGreaterThan(5);
  });

  test("streamed, a segment's text comes as a delta of its id, then the segment", async () => {
    const stream = await client.audio.transcriptions.create({
      ...(await ask()),
      response_format: "diarized_json",
      stream: true,
    });
    const events: TranscriptionStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    for (const event of events) expect(eventSchema.parse(event)).toEqual(event);
    expect(events.map(({ type }) => type)).toEqual([
      "transcript.text.delta",
      "transcript.text.segment",
      "transcript.text.done",
    ]);
    const [delta, segment] = events;
    expect(delta).toMatchObject({ segment_id: "seg_001" });
    expect(segment).toMatchObject({ id: "seg_001", speaker: "A", start: expect.any(Number), end: expect.any(Number) });
  });

  test("a known speaker has the name that came with the reference, commas and all", async () => {
    const references = [dataUrl(wavOf("en.wav", 4))];
    const answer = await diarized({ known_speaker_names: ["Doe, Jane"], known_speaker_references: references });
    expect(answer.segments.map(({ speaker }) => speaker)).toEqual(["Doe, Jane"]);
    const ours = { speakers: "true", people: JSON.stringify([{ name: "Jane", reference: references[0] }]) };
    const { segments, speakers } = JSON.parse((await post(ours)).text);
    expect(segments[0].speaker).toBe("Jane");
    expect(speakers).toMatchObject([{ speaker: "Jane", share: 1 }]);
  });

  test.each<[what: string, fields: object, message: RegExp]>([
    [
      "a name without a reference",
      { known_speaker_names: ["a", "b"], known_speaker_references: [dataUrl(bytes("en.wav"))] },
      /^400 known_speaker_references: expected one for each of known_speaker_names, 2; got 1$/,
    ],
    [
      "too many",
      { known_speaker_names: ["a", "b", "c", "d", "e"] },
      /^400 known_speaker_names: expected array up to 4, got a list of 5$/,
    ],
    [
      "too short",
      { known_speaker_names: ["a"], known_speaker_references: [dataUrl(wavOf("en.wav", 1))] },
      /^400 reference of "a": expected 2 to 10 seconds of sound, got 1\.00$/,
    ],
    [
      "too long",
      { known_speaker_names: ["a"], known_speaker_references: [dataUrl(wavOf("en.wav", 11))] },
      /^400 reference of "a": expected 2 to 10 seconds of sound, got more$/,
    ],
    [
      "no sound",
      { known_speaker_names: ["b"], known_speaker_references: [dataUrl(bytes("expected.jsonl"))] },
      /^400 reference of "b": not a sound file, it holds text$/,
    ],
    [
      "no base64",
      { known_speaker_names: ["b"], known_speaker_references: ["https://example.org/a.wav"] },
      /^400 reference of "b": expected the bytes of a sound file in base64$/,
    ],
    [
      "one name twice",
      {
        known_speaker_names: ["b", "b"],
        known_speaker_references: [dataUrl(wavOf("en.wav", 3)), dataUrl(wavOf("en.wav", 4))],
      },
      /^400 expected names that differ, got "b" twice$/,
    ],
    [
      "a stranger's name",
      { known_speaker_names: ["S1"], known_speaker_references: [dataUrl(wavOf("en.wav", 3))] },
      /^400 people\[0\]\.name: expected one that no stranger has \(S1, S2, …\), got S1$/,
    ],
    [
      "word times",
      { timestamp_granularities: ["word"] },
      /^400 timestamp_granularities: expected .* got diarized_json$/,
    ],
  ])("wrong references are one line: %s", async (_, fields, told) => {
    const error: unknown = await diarized(fields).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(BadRequestError);
    expect((error as Error).message).toMatch(told);
  });

  test("texts that are far too long are refused, each field within its own limit", async () => {
    const refused = async (fields: Readonly<Record<string, string>>) => {
      const answer = await post(fields);
      return [answer.status, message(answer)];
    };
    const long = "A".repeat(6_000_000);
    const people = JSON.stringify([{ name: "a", reference: long }]);
    const told = `people.0.reference: expected string up to 5400000, got ${JSON.stringify(`${"A".repeat(60)}…`)}`;
    expect(await refused({ speakers: "true", people })).toEqual([400, told]);
    expect(await refused({ marks: "A".repeat(300_000) })).toEqual([400, "marks: expected a shorter text"]);
    expect(await refused({ people: "A".repeat(30_000_000) })).toEqual([400, "people: expected a shorter text"]);
  });

  test("silence has no voice", async () => {
    const silence = new Uint8Array(44 + 96_000);
    silence.set(wavOf("en.wav", 3).subarray(0, 44));
    const people = { known_speaker_names: ["a"], known_speaker_references: [dataUrl(silence)] };
    await expect(diarized(people)).rejects.toThrow(
      '400 reference of "a": expected a sound in which somebody speaks, got none',
    );
  });

  test("known speakers only beside diarized_json", async () => {
    const people = { known_speaker_names: ["a"], known_speaker_references: [dataUrl(bytes("en.wav"))] };
    const answer = client.audio.transcriptions.create({ ...(await ask()), ...people, response_format: "text" });
    await expect(answer).rejects.toThrow(
      "known_speaker_names: expected response_format diarized_json beside it, got text",
    );
  });

  test("our own formats: true, or how many there are", async () => {
    const one = await post({ speakers: "1", timestamps: "true" }, "zh.wav");
    const { segments, ...rest } = transcriptSchema.parse(JSON.parse(one.text));
    expect(segments.map(({ speaker }) => speaker)).toEqual(["S1"]);
    expect(rest.speakers).toMatchObject([{ speaker: "S1" }]);
    const two = JSON.parse((await post({ speakers: "2" })).text).segments as Segment[];
    expect(new Set(two.map(({ speaker }) => speaker)).size).toBeLessThanOrEqual(2);
    expect((await post({ speakers: "true", format: "tsv" })).text).toMatch(/^start\tend\tspeaker\t.*\n\d+\t\d+\tS1\t/);
    const funasr = JSON.parse((await post({ speakers: "true", speakerMode: "funasr" })).text);
    expect(funasr.segments).toMatchObject([{ speaker: "S1" }]);
    expect(JSON.parse((await post({})).text).segments[0]).not.toHaveProperty("speaker");
  });

  test("rttm implies speakers; what does not go together is refused", async () => {
    expect((await post({ format: "rttm" })).text).toMatch(/^SPEAKER sound 1 \d+\.\d{3} \d+\.\d{3} <NA> <NA> S1 /);
    const refused = async (fields: Readonly<Record<string, string>>) => {
      const answer = await post(fields);
      return [answer.status, message(answer)];
    };
    expect(await refused({ format: "rttm", speakers: "false" })).toEqual([
      400,
      "speakers: expected true, or how many, for format rttm; got false",
    ]);
    expect(await refused({ speakerMode: "funasr" })).toEqual([
      400,
      "speakerMode: expected speakers beside it, got none",
    ]);
    expect(await refused({ speakers: "many" })).toEqual([
      400,
      'speakers: expected a number or true or false, got "many"',
    ]);
  });

  test("what is remembered depends on the speakers and on the references", async () => {
    const person = (name: string, seconds: number) => ({
      speakers: "true",
      people: JSON.stringify([{ name, reference: dataUrl(wavOf("zh.wav", seconds)) }]),
    });
    const asked: Readonly<Record<string, string>>[] = [
      {},
      { speakers: "true" },
      { speakers: "1" },
      person("a", 2),
      person("b", 2),
      person("a", 3),
    ];
    for (const fields of asked) expect((await post({ ...fields, padMs: "150" })).cache).toBe("miss");
    for (const fields of asked) expect((await post({ ...fields, padMs: "150" })).cache).toBe("hit");
  });
});

test("what is remembered depends on the speaker model", async () => {
  const { dir, remove } = await makeSpeakerModel();
  try {
    const digest = speakerDigest({ model: "tiny", speakerModel: dir });
    expect(digest).toMatch(/^[\da-f]{64}$/);
    const config = join(dir, "config.json");
    writeFileSync(config, readFileSync(config, "utf8").replace("toy", "other"));
    const other = speakerDigest({ model: "tiny", speakerModel: dir });
    expect(other).not.toBe(digest);
    const engine = { config: { name: "m", files: {} }, weights: "int8" } as unknown as Engine;
    const parts = [engine, {} as Decoding, {} as EnginePlaces] as const;
    const identities = [undefined, digest, other].map((speaker) => new LocalTranscriber(...parts, speaker).identity);
    expect(new Set(identities).size).toBe(3);
  } finally {
    remove();
  }
});

test("without a speaker model it is said what to install", async () => {
  const home = mkdtempSync(join(tmpdir(), "sensevoice-test-"));
  const server = await startTestServer([], { SENSEVOICE_HOME: home });
  try {
    for (const [route, fields] of [
      ["/v1/transcribe", { speakers: "true" }],
      ["/v1/audio/transcriptions", { model: "m", response_format: "diarized_json" }],
    ] as const) {
      const body = formOf(bytes("zh.wav"), fields);
      const answer = await fetch(server.address + route, { method: "POST", body });
      expect([answer.status, (await answer.json()).error.message]).toEqual([
        400,
        "speakers: expected a speaker model, found none; run: sensevoice download iic/speech_campplus_sv_zh-cn_16k-common",
      ]);
    }
  } finally {
    await server.stop();
    rmSync(home, { recursive: true });
  }
});
