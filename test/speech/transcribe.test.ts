import { describe, expect, test } from "vitest";
import { createCutter } from "../../src/speech/cut.ts";
import { createMerger, createSplitter } from "../../src/speech/merge.ts";
import { type Hear, type PipelineOptions, transcribe } from "../../src/speech/transcribe.ts";
import { all, clock, hearEnds, pieces, speechAt } from "./support.ts";

const SPANS = [
  [500, 2000],
  [2500, 4000],
  [9000, 9800],
] as const;

const run = (sound: AsyncIterable<Float32Array>, hear: Hear = hearEnds, options: Partial<PipelineOptions> = {}) =>
  transcribe(sound, createCutter(speechAt(SPANS), createSplitter()), hear, { batchMs: 60_000, ...options });

/** A sound that comes 3 s at a time and never ends, and whether it was closed. */
function endless() {
  let closed = false;
  async function* sound() {
    try {
      for (;;) {
        yield clock(3000);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } finally {
      closed = true;
    }
  }
  return { sound: sound(), isClosed: () => closed };
}

describe("from sound to segments", () => {
  test("each has its own samples, and times of the whole recording", async () => {
    const segments = await all(run(pieces(clock(10_000), 1600)));
    expect(segments.map(({ start, end, text }) => [start, end, text])).toEqual([
      [0.5, 2, "500-1999"],
      [2.5, 4, "2500-3999"],
      [9, 9.8, "9000-9799"],
    ]);
    expect(segments[1].words).toEqual([{ word: "2500-3999", start: 2.6, end: 2.7, confidence: 1 }]);
  });

  test("however the sound comes", async () => {
    const whole = await all(run(pieces(clock(10_000), 160_000)));
    for (const size of [1, 97, 16_001]) expect(await all(run(pieces(clock(10_000), size)))).toEqual(whole);
  });

  test("joined to the length asked for", async () => {
    const cutter = createCutter(speechAt(SPANS), createMerger(5000));
    const segments = await all(transcribe(pieces(clock(10_000), 800), cutter, hearEnds, { batchMs: 60_000 }));
    expect(segments.map(({ text }) => text)).toEqual(["0-3999", "4000-8999", "9000-9799"]);
  });

  test("speech that goes on to the end of the sound is cut there", async () => {
    const segments = await all(run(pieces(clock(9500), 1600)));
    expect(segments.at(-1)).toMatchObject({ start: 9, end: 9.8, text: "9000-9499" });
  });

  test("the first comes while the sound is still coming", async () => {
    let fed = 0;
    async function* slow() {
      for await (const pcm of pieces(clock(10_000), 1600)) {
        fed += pcm.length / 16;
        yield pcm;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    const segments = run(slow());
    await segments.next();
    expect(fed).toBeLessThan(4000);
    await segments.return(undefined);
  });

  test("a batch is what waits, up to its limit, and two are on their way", async () => {
    const spans = Array.from({ length: 20 }, (_, i) => [i * 1000, i * 1000 + 900] as const);
    const batches: number[] = [];
    let [running, most] = [0, 0];
    const hear: Hear = async (clips) => {
      batches.push(clips.length);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running--;
      return hearEnds(clips);
    };
    const cutter = createCutter(speechAt(spans), createSplitter());
    const segments = await all(transcribe(pieces(clock(20_000), 1600), cutter, hear, { batchMs: 4500 }));
    expect(segments.map(({ start }) => start)).toEqual(spans.map(([start]) => start / 1000));
    expect(Math.max(...batches)).toBe(5);
    expect(most).toBe(2);
  });

  test("a batch of nothing is a clip at a time", async () => {
    const sizes: number[] = [];
    const hear: Hear = (clips) => {
      sizes.push(clips.length);
      return hearEnds(clips);
    };
    expect(await all(run(pieces(clock(10_000), 1600), hear, { batchMs: 0 }))).toHaveLength(3);
    expect(sizes).toEqual([1, 1, 1]);
  });

  test("reading waits for whoever takes the segments", async () => {
    const spans = Array.from({ length: 100 }, (_, i) => [i * 1000, i * 1000 + 900] as const);
    let fed = 0;
    async function* sound() {
      for await (const pcm of pieces(clock(100_000), 1600)) {
        fed += pcm.length / 16;
        yield pcm;
      }
    }
    const cutter = createCutter(speechAt(spans), createSplitter());
    const segments = transcribe(sound(), cutter, hearEnds, { batchMs: 3000 });
    await segments.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(fed).toBeLessThan(20_000);
    await segments.return(undefined);
  });

  test("progress rises to the length of the recording", async () => {
    const done: number[] = [];
    await all(run(pieces(clock(10_000), 1600), hearEnds, { onProgress: (seconds) => done.push(seconds) }));
    expect(done).toEqual([2, 4, 9.8, 10]);
  });

  test("what came before damage is said, then the error", async () => {
    async function* damaged() {
      yield clock(3000);
      throw new Error("damaged");
    }
    const texts: string[] = [];
    const read = async () => {
      for await (const { text } of run(damaged())) texts.push(text);
    };
    await expect(read()).rejects.toThrow("damaged");
    expect(texts).toEqual(["500-1999"]);
  });

  test("an error of the recogniser ends it, and the source", async () => {
    const { sound, isClosed } = endless();
    const lost: Hear = async () => Promise.reject(new Error("the device is lost"));
    await expect(all(run(sound, lost))).rejects.toThrow("the device is lost");
    await expect.poll(isClosed).toBe(true);
  });

  test("aborted while the source hangs, it rejects at once", async () => {
    async function* hanging() {
      yield clock(100);
      await new Promise(() => {});
    }
    const controller = new AbortController();
    const heard = all(run(hanging(), hearEnds, { signal: controller.signal }));
    setTimeout(() => controller.abort(new Error("enough")), 5);
    await expect(heard).rejects.toThrow("enough");
  });
});

test("a stretch of speech of any length allowed keeps all its samples", async () => {
  const pcm = Float32Array.from({ length: 400 * 1000 }, (_, i) => i); // a sample a ms would be: 16 a ms
  const long = 200_000;
  const activity = { ...speechAt([]), push: async () => [], finish: async () => [[0, long] as const] };
  const cutter = createCutter(activity, createSplitter(), long);
  for (let at = 0; at < long * 16; at += pcm.length)
    await cutter.push(pcm.subarray(0, Math.min(pcm.length, long * 16 - at)));
  const [clip] = await cutter.finish();
  expect([clip.start, clip.end, clip.pcm.length]).toEqual([0, long, long * 16]);
  expect([clip.pcm[1], clip.pcm[long * 8 + 1]]).toEqual([1, (long * 8 + 1) % pcm.length]);
});

test("left in the middle of silence without end, the source is closed", async () => {
  const { sound, isClosed } = endless();
  for await (const _ of run(sound)) break;
  await expect.poll(isClosed).toBe(true);
});

test("no more is held of an hour than its clips can need", async () => {
  const hour = 3600;
  const spans = Array.from({ length: hour / 100 }, (_, i) => [i * 100_000 + 1000, i * 100_000 + 8000] as const);
  const cutter = createCutter(speechAt(spans, 60_000), createMerger(15_000));
  const second = new Float32Array(16_000);
  let [clips, most] = [0, 0];
  for (let i = 0; i < hour; i++) {
    clips += (await cutter.push(second)).length;
    most = Math.max(most, cutter.held);
  }
  clips += (await cutter.finish()).length;
  expect(clips).toBe(spans.length);
  expect(cutter.heard).toBe(3_600_000);
  expect(most).toBeLessThan(170_000);
});
