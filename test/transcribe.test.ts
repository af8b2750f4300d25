import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { convertModel } from "../src/convert/convert.ts";
import {
  createEngine,
  type Device,
  type Engine,
  type LiveResult,
  type Segment,
  SenseVoiceError,
  type SoundInput,
  type TranscribeOptions,
} from "../src/node.ts";
import { watchEventLoop } from "./support/eventLoop.ts";
import { hasGpu } from "./support/gpu.ts";
import { type Recording, recordingOf } from "./support/recording.ts";
import { wavOf } from "./support/wav.ts";

const SAMPLES = ["zh.wav", "en.wav", "ja.wav", "zh-happy.wav"];
const PAUSE = 3;
const scratch = mkdtempSync(join(tmpdir(), "sensevoice-long-"));
afterAll(() => rmSync(scratch, { recursive: true }));

let recording: Float32Array;
let places: Recording["places"];
let engine: Engine;

beforeAll(async () => {
  engine = await createEngine({ model: "tiny", device: "cpu" });
  ({ pcm: recording, places } = await recordingOf(SAMPLES, PAUSE));
  writeFileSync(join(scratch, "recording.wav"), wavOf(recording));
});
afterAll(() => engine.close());

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const hear = (source: SoundInput, options?: TranscribeOptions) => all(engine.transcribe(source, options));
const ENERGY = { vad: "energy", mergeSeconds: 0 } as const;

describe("transcribe", () => {
  test("a segment for each stretch of speech, with its place and its language", async () => {
    const segments = await hear(recording, { ...ENERGY, timestamps: true });
    expect(segments.map(({ language }) => language)).toEqual(["zh", "en", "ja", "zh"]);
    for (const [i, { start, end, words, confidence }] of segments.entries()) {
      const [from, to] = places[i];
      expect(Math.abs(start - from)).toBeLessThan(0.6);
      expect(end).toBeGreaterThan(from + 0.5 * (to - from));
      expect(end).toBeLessThan(to + PAUSE);
      expect([start, end].map((time) => Math.round(time * 1000) / 1000)).toEqual([start, end]);
      expect(words?.length).toBeGreaterThan(1);
      for (const word of words ?? []) {
        expect(word.start).toBeGreaterThanOrEqual(start);
        expect(word.end).toBeLessThanOrEqual(end + 0.1);
      }
      expect(confidence).toBeGreaterThan(0.5);
    }
  });

  test("each segment says what its sound says alone", async () => {
    for (const { start, end, raw, tokens, text } of await hear(recording, ENERGY)) {
      const alone = await engine.run(recording.subarray(start * 16_000, end * 16_000));
      expect({ raw, tokens, text }).toEqual({ raw: alone.raw, tokens: alone.tokens, text: alone.text });
    }
  });

  test("the same from a path, an address, bytes, a Blob, a stream of bytes and one of samples", async () => {
    const path = join(scratch, "recording.wav");
    const bytes = readFileSync(path);
    const expected = await hear(recording, ENERGY);
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
    }
    async function* samples() {
      for (let at = 0; at < recording.length; at += 4321) yield recording.subarray(at, at + 4321);
    }
    const sources: SoundInput[] = [path, pathToFileURL(path), bytes, new Blob([bytes]), chunks(), samples()];
    for (const source of sources) expect(await hear(source, ENERGY)).toEqual(expected);
  });

  test("joined to the length asked for, without gaps", async () => {
    const segments = await hear(recording, { vad: "energy", mergeSeconds: 10 });
    expect(segments.length).toBeLessThan(SAMPLES.length + 2);
    expect(segments[0].start).toBe(0);
    for (const [i, { start }] of segments.slice(1).entries()) expect(start).toBe(segments[i].end);
  });

  test("by what the recogniser itself hears, or cut into equal pieces", async () => {
    const byModel = await hear(recording, { vad: "model", mergeSeconds: 0 });
    expect(byModel.length).toBeGreaterThanOrEqual(SAMPLES.length);
    const spans = await all(engine.detectSpeech(recording, { vad: "model" }));
    expect(spans.map(([start, end]) => [start / 1000, end / 1000])).toEqual(
      byModel.map(({ start, end }) => [start, end]),
    );
    const pieces = await hear(recording, { vad: "none", maxSegmentSeconds: 5, mergeSeconds: 0 });
    expect(pieces.map(({ start }) => start)).toEqual(pieces.map((_, i) => 5 * i));
    expect(pieces.at(-1)?.end).toBeCloseTo(recording.length / 16_000, 2);
  });

  test("options of run hold for each segment", async () => {
    const segments = await hear(recording, { ...ENERGY, language: "en", itn: true });
    for (const { raw } of segments) expect(raw).toMatch(/<\|withitn\|>/);
  });

  test("silence has no segments; a sound without samples is an error", async () => {
    expect(await hear(new Float32Array(64_000), ENERGY)).toEqual([]);
    await expect(hear(new Float32Array(0))).rejects.toThrow("expected sound, got 0 samples");
    await expect(hear(join(scratch, "missing.wav"))).rejects.toThrow(/missing\.wav: no such file/);
  });

  test("progress rises to the length of the recording", async () => {
    const done: number[] = [];
    await hear(recording, { ...ENERGY, onProgress: (seconds) => done.push(seconds) });
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(recording.length / 16_000);
  });

  test("aborted, it rejects within 50 ms, and the engine goes on", async () => {
    const controller = new AbortController();
    let aborted = 0;
    const heard = hear(recording, { ...ENERGY, batchSeconds: 1, signal: controller.signal });
    setTimeout(() => {
      aborted = performance.now();
      controller.abort(new Error("enough"));
    }, 30);
    await expect(heard).rejects.toThrow("enough");
    expect(performance.now() - aborted).toBeLessThan(50);
    expect(await hear(recording, ENERGY)).toHaveLength(SAMPLES.length);
  });

  test("aborted, speech detection rejects within 50 ms, though its source hangs", async () => {
    async function* hanging() {
      yield recording.subarray(0, 16_000);
      await new Promise(() => {});
    }
    const controller = new AbortController();
    const detected = all(engine.detectSpeech(hanging(), { vad: "energy", signal: controller.signal }));
    let aborted = 0;
    setTimeout(() => {
      aborted = performance.now();
      controller.abort(new Error("enough"));
    }, 20);
    await expect(detected).rejects.toThrow("enough");
    expect(performance.now() - aborted).toBeLessThan(50);
  });

  test("left early, it closes its source", async () => {
    let closed = false;
    async function* endless() {
      try {
        for (;;) {
          yield recording;
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        closed = true;
      }
    }
    for await (const { start } of engine.transcribe(endless(), ENERGY)) if (start > 30) break;
    await expect.poll(() => closed).toBe(true);
  });

  test("voice activity is set alike for segments, for live sound and for where speech is", async () => {
    const settings = { vad: "energy", endSilenceMs: 200, padMs: 0 } as const;
    const segments = await hear(recording, { ...settings, mergeSeconds: 0 });
    expect(segments.length).toBeGreaterThan((await hear(recording, ENERGY)).length);
    const spans = await all(engine.detectSpeech(recording, settings));
    expect(segments.map(({ start, end }) => [start * 1000, end * 1000])).toEqual(spans);
    const stream = engine.stream(settings);
    void stream.write(recording);
    stream.end();
    const finals = (await all(stream)).filter(({ final }) => final);
    expect(finals.map(({ start, end }) => [start * 1000, end * 1000])).toEqual(spans);
  });

  test("the event loop gets its turns", async () => {
    await hear(recording, ENERGY);
    const { longest } = await watchEventLoop(() => hear(recording, { vad: "energy", timestamps: true }));
    expect(longest).toBeLessThan(20);
  });

  test.each<[TranscribeOptions, string]>([
    [{ vad: "loud" as never }, '[engine] vad: expected one of fsmn, model, energy, none, got "loud"'],
    [{ vad: "fsmn" }, "[vad] fsmn: expected a model for it, got none"],
    [{ mergeSeconds: -1 }, "[engine] mergeSeconds: expected a number from 0 to 1800, got -1"],
    [{ maxSegmentSeconds: 0 }, "[engine] maxSegmentSeconds: expected a number from 1 to 1799, got 0"],
    [{ endSilenceMs: -1 }, "[engine] endSilenceMs: expected a number from 0 to 10000, got -1"],
    [{ batchSeconds: Number.NaN }, "[engine] batchSeconds: expected a number from 0 to 1800, got null"],
    [{ language: "xx" as never }, "[engine] language: expected one of"],
  ])("options that are not as asked are refused at once: %j", (options, message) => {
    expect(() => engine.transcribe(recording, options)).toThrow(SenseVoiceError);
    expect(() => engine.transcribe(recording, options)).toThrow(message);
  });

  test("after close it is refused", async () => {
    const closed = await createEngine({ model: "tiny", device: "cpu" });
    await closed.close();
    expect(() => closed.transcribe(recording)).toThrow("the engine is closed");
    expect(() => closed.stream()).toThrow("the engine is closed");
    expect(() => closed.detectSpeech(recording)).toThrow("the engine is closed");
  });
});

describe("stream", () => {
  async function live(options = {}): Promise<LiveResult[]> {
    const stream = engine.stream({ vad: "energy", ...options });
    const feed = async () => {
      for (let at = 0; at < recording.length; at += 1600) {
        void stream.write(recording.subarray(at, at + 1600));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      stream.end();
    };
    const [results] = await Promise.all([all(stream), feed()]);
    return results;
  }

  test("final results are those of transcribe, with partial ones before", async () => {
    const results = await live({ timestamps: true });
    const finals = results.filter(({ final }) => final).map(({ final, stable, ...segment }): Segment => segment);
    expect(finals).toEqual(await hear(recording, { ...ENERGY, timestamps: true }));
    const partials = results.filter(({ final }) => !final);
    expect(partials.length).toBeGreaterThan(2);
    for (const [i, { start, final, stable, text }] of results.entries()) {
      expect(stable).toBeLessThanOrEqual(text.length);
      if (final) expect(stable).toBe(text.length);
      const next = results[i + 1];
      if (!final && next && !next.final) expect(next.start).toBe(start);
    }
  });

  test("pieces of equal length have partial results too", async () => {
    const stream = engine.stream({ vad: "none", maxSegmentSeconds: 2 });
    const heard = all(stream);
    for (let at = 0; at < 80_000; at += 1600) {
      void stream.write(recording.subarray(at, at + 1600));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    stream.end();
    const results = await heard;
    expect(results.some(({ final }) => !final)).toBe(true);
    expect(results.filter(({ final }) => final).map(({ start, end }) => [start, end])).toEqual([
      [0, 2],
      [2, 4],
      [4, 5],
    ]);
  });

  test("options that are not as asked are refused at once", () => {
    expect(() => engine.stream({ partialSeconds: -1 })).toThrow("[engine] partialSeconds: expected a number");
    expect(() => engine.stream({ vad: "fsmn" })).toThrow("[vad] fsmn: expected a model for it, got none");
    const message = "[engine] speechThreshold: expected vad fsmn with it, got energy";
    expect(() => engine.stream({ vad: "energy", speechThreshold: 0.4 })).toThrow(message);
    expect(() => engine.detectSpeech(recording, { vad: "energy", speechThreshold: 0.4 })).toThrow(message);
  });
});

const assets = process.env.SENSEVOICE_ASSETS ?? "";
const golden = join(assets, "../golden/vad");

describe.skipIf(!existsSync(join(golden, "funasr.jsonl")))("14 recordings that FunASR heard", () => {
  const devices: Device[] = hasGpu ? ["cpu", "reference", "webgpu"] : ["cpu", "reference"];
  const recordings = () =>
    readFileSync(join(golden, "funasr.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  const vadModel = join(scratch, "vad");
  beforeAll(() => convertModel(join(assets, "fsmn_vad/model"), vadModel, { dtype: "f32" }));

  test.each(devices)(
    "%s: where speech is, and the text of joined and of single segments",
    { timeout: 1_800_000 },
    async (device) => {
      await using heard = await createEngine({ model: "tiny", device, vadModel, weights: "f16" });
      // Plain loops and a GPU in software take minutes for all of them.
      const some = device === "cpu" || process.env.SENSEVOICE_ALL ? recordings() : recordings().slice(0, 2);
      for (const { file, vad, merged15, unmerged } of some) {
        const path = join(golden, file);
        const raw = async (options: TranscribeOptions) => {
          return (await all(heard.transcribe(path, options))).map((segment) => segment.raw).join(" ");
        };
        expect(await all(heard.detectSpeech(path)), file).toEqual(vad);
        expect(await raw({}), file).toBe(merged15);
        expect(await raw({ mergeSeconds: 0 }), file).toBe(unmerged);
      }
    },
  );
});
