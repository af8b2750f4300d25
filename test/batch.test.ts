import { beforeAll, describe, expect, test, vi } from "vitest";
import { streamInput } from "../src/audio/read.ts";
import { Engine, type EngineParts } from "../src/engine.ts";
import type { Prompt } from "../src/model/sensevoice/prompt.ts";
import type { Recognition, RecognizeOptions } from "../src/model/sensevoice/recognizer.ts";
import { createTokenizer, type Tokenizer } from "../src/model/sensevoice/tokenizer.ts";
import { createEngine, type Device, readAudio, SenseVoiceError, type Transcript } from "../src/node.ts";
import { findModel } from "../src/weights/home.ts";
import { hasGpu } from "./support/gpu.ts";
import { openModelFolder } from "./support/model.ts";

/** A pass over clips that a device has recorded, and what becomes of it. */
interface Pass {
  readonly rows: readonly number[];
  readonly compute: () => void;
  readonly fail: (error: Error) => void;
}

/** Waits for what has to come. */
const reach = (passes: readonly Pass[], count: number) =>
  vi.waitFor(() => expect(passes.length).toBeGreaterThanOrEqual(count), { timeout: 30_000, interval: 5 });
/** Gives what must not come its time. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 50));

let parts: Omit<EngineParts, "model">;
let tokenizer: Tokenizer;
beforeAll(async () => {
  const { config, tokenizer: bytes } = await openModelFolder(findModel("tiny"));
  tokenizer = createTokenizer(bytes);
  const cmvn = { shift: new Float32Array(560), scale: new Float32Array(560).fill(1) };
  parts = { config, tokenizer, cmvn, weights: "f32", readSound: streamInput, loadSpeakers: () => Promise.reject() };
});

/** An engine on a device that computes when it is told to, and hears in a clip the token of the number of its rows. */
function toldEngine(): { engine: Engine; passes: Pass[] } {
  const passes: Pass[] = [];
  const recognize = (prompts: readonly Prompt[], { onRecorded }: RecognizeOptions = {}) => {
    const rows = prompts.map(({ features }) => features.rows);
    const recognition: Recognition = {
      clips: rows.map((count) => ({
        ids: Float32Array.from({ length: count + 4 }, () => count),
        logProbs: new Float32Array(count + 4),
        top: new Float32Array(2 * (count + 4)),
        logProbsOf: async () => new Float32Array(),
      })),
      release: () => {},
    };
    return new Promise<Recognition>((resolve, reject) => {
      passes.push({ rows, compute: () => resolve(recognition), fail: reject });
      onRecorded?.();
    });
  };
  const backend = { name: "reference", description: "told", memory: () => 0, close: () => {} } as const;
  return { engine: new Engine({ ...parts, model: { backend, recognize } }), passes };
}

/** Clips of so many rows, of 60 ms each. */
const clipsOf = (...rows: number[]) => rows.map((count) => new Float32Array(count * 960).fill(0.1));
const rowsOf = (transcripts: readonly Transcript[]) => transcripts.map(({ tokens }) => tokens[0]);

describe("runBatch on a device that is told when to compute", () => {
  test("passes of similar clips, two of them in flight; answers in the order of the clips", async () => {
    const { engine, passes } = toldEngine();
    const running = engine.runBatch(clipsOf(3, 10, 5, 20, 4, 7), { batchSeconds: 0.9 }); // 15 rows
    await reach(passes, 2); // the second is recorded while the first is computed
    passes[1].compute();
    await settle();
    expect(passes.map(({ rows }) => rows)).toEqual([[20], [10]]);
    passes[0].compute();
    await reach(passes, 4);
    expect(passes.slice(2).map(({ rows }) => rows)).toEqual([
      [7, 5],
      [4, 3],
    ]);
    for (const { compute } of passes) compute();
    const heard = await running;
    expect(rowsOf(heard)).toEqual([3, 10, 5, 20, 4, 7]);
    expect(heard.map(({ duration }) => duration)).toEqual([3, 10, 5, 20, 4, 7].map((rows) => (rows * 960) / 16000));
    for (const { timings } of heard) {
      expect(timings.features + timings.encode + timings.decode).toBeCloseTo(timings.total, 6);
    }
    expect(heard[2].timings).toBe(heard[5].timings); // of one pass
    expect(heard[0].timings).not.toBe(heard[1].timings);
  });

  test("a minute in one pass unless asked otherwise; with 0 each clip by itself", async () => {
    const { engine, passes } = toldEngine();
    const minute = engine.runBatch(clipsOf(...Array.from({ length: 11 }, () => 100)));
    await reach(passes, 2);
    expect(passes.map(({ rows }) => rows.length)).toEqual([10, 1]);
    for (const { compute } of passes.splice(0)) compute();
    expect(rowsOf(await minute)).toEqual(Array.from({ length: 11 }, () => 100));
    const single = engine.runBatch(clipsOf(1, 2), { batchSeconds: 0 });
    await reach(passes, 2);
    expect(passes.map(({ rows }) => rows)).toEqual([[2], [1]]);
    for (const { compute } of passes) compute();
    expect(rowsOf(await single)).toEqual([1, 2]);
  });

  test("runs come in the order of the calls, a later one before passes that are not begun", async () => {
    const { engine, passes } = toldEngine();
    const batch = engine.runBatch(clipsOf(9, 8, 7), { batchSeconds: 0 });
    const [clip] = clipsOf(5);
    const run = engine.run(clip);
    await reach(passes, 3);
    expect(passes.map(({ rows }) => rows)).toEqual([[9], [8], [5]]);
    passes[0].compute();
    await reach(passes, 4);
    for (const { compute } of passes) compute();
    expect(rowsOf(await batch)).toEqual([9, 8, 7]);
    expect((await run).tokens[0]).toBe(5);
  });

  test("an abort between passes rejects at once; no pass follows, and the engine goes on", async () => {
    const { engine, passes } = toldEngine();
    const controller = new AbortController();
    const clips = clipsOf(9, 8, 7, 6);
    const running = engine.runBatch(clips, { batchSeconds: 0, signal: controller.signal });
    await reach(passes, 2);
    passes[0].compute();
    await reach(passes, 3);
    controller.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    for (const { compute } of passes) compute();
    await settle();
    expect(passes).toHaveLength(3);
    const next = engine.run(clips[3]);
    await reach(passes, 4);
    passes[3].compute();
    expect((await next).tokens[0]).toBe(6);
  });

  test.each([0, 1])("an error of pass %i is the outcome; no pass follows, and the engine goes on", async (failing) => {
    const { engine, passes } = toldEngine();
    const clips = clipsOf(9, 8, 7, 6);
    const running = engine.runBatch(clips, { batchSeconds: 0 });
    await reach(passes, 2);
    passes[failing].fail(new SenseVoiceError("[webgpu] out of memory"));
    passes[1 - failing].compute();
    await expect(running).rejects.toThrow("[webgpu] out of memory");
    await settle();
    const before = passes.length;
    expect(before).toBeLessThan(clips.length);
    const next = engine.run(clips[3]);
    await reach(passes, before + 1);
    passes[before].compute();
    expect((await next).tokens[0]).toBe(6);
  });

  test("a closed engine rejects a batch under way", async () => {
    const { engine, passes } = toldEngine();
    const running = engine.runBatch(clipsOf(9, 8, 7), { batchSeconds: 0 });
    await reach(passes, 2);
    await engine.close();
    for (const { compute } of passes) compute();
    await expect(running).rejects.toThrow("[engine] the engine is closed: create a new one");
    await settle();
    expect(passes).toHaveLength(2);
  });

  test("transcribe takes its own batchSeconds along", async () => {
    const { engine, passes } = toldEngine();
    let pieces = 0;
    const sound = async function* () {
      for (; pieces < 30; pieces++) yield* clipsOf(200);
    };
    const cut = { vad: "none", mergeSeconds: 0, maxSegmentSeconds: 12 } as const;
    const segments = engine.transcribe(sound(), { ...cut, batchSeconds: 72 });
    const first = segments.next();
    await reach(passes, 2);
    const begun = passes[0].rows.length + passes[1].rows.length;
    await vi.waitFor(() => expect(pieces).toBeGreaterThan(begun + 7), { timeout: 30_000 });
    passes[0].compute();
    await first;
    void segments.next().catch(() => {});
    for (let i = 1; i < passes[0].rows.length; i++) void segments.next().catch(() => {});
    await reach(passes, 3);
    expect(passes[2].rows).toEqual([200, 200, 200, 200, 200, 200]);
    await engine.close();
    for (const { compute } of passes) compute();
  });

  test("what batchSeconds may be", async () => {
    const { engine } = toldEngine();
    for (const batchSeconds of [-1, 1801, Number.NaN, "60" as unknown as number]) {
      await expect(engine.runBatch(clipsOf(1), { batchSeconds })).rejects.toThrow(
        "[engine] batchSeconds: expected a number from 0 to 1800, got",
      );
    }
  });
});

describe("the same answers as one at a time", () => {
  const devices: Device[] = ["reference", "cpu", ...(hasGpu ? ["webgpu" as const] : [])];
  const clips: Float32Array[] = [];
  beforeAll(async () => {
    const sample = (name: string) => readAudio(new URL(`../samples/${name}`, import.meta.url).pathname);
    const [happy, yue] = [await sample("zh-happy.wav"), await sample("yue.wav")];
    clips.push(happy.subarray(0, 9000), yue.subarray(0, 24_000), happy.subarray(5000, 20_000), yue.subarray(0, 2000));
  });
  const withoutTimings = ({ timings, ...rest }: Transcript) => rest;

  test.each(devices)("on %s", { timeout: 300_000 }, async (device) => {
    await using engine = await createEngine({ model: "tiny", device, threads: 1 });
    for (const options of [{}, { timestamps: true, languages: ["zh", "ko"] as const }]) {
      const alone = [];
      for (const clip of clips) alone.push(withoutTimings(await engine.run(clip, options)));
      for (const batchSeconds of device === "reference" ? [2] : [0, 2, 60]) {
        const batch = await engine.runBatch(clips, { ...options, batchSeconds });
        expect(batch.map(withoutTimings)).toEqual(alone);
      }
    }
  });
});
