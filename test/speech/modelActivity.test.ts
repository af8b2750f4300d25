import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ModelActivity, type ModelActivityOptions } from "../../src/speech/modelActivity.ts";
import type { SpeechEvent } from "../../src/speech/voiceActivity.ts";
import { cut, eventsOf } from "../support/vad.ts";

/** A sound whose tokens are written in its first sample of each 60 ms. */
function soundOf(seconds: number, tokens: readonly number[]): Float32Array {
  const pcm = new Float32Array(seconds * 16000);
  for (const row of tokens) pcm[row * 960] = 1;
  return pcm;
}

/** Reads the tokens, as a recogniser would; at the seams of its windows, where it hears no more, it makes some up. */
function recogniser(): (pcm: Float32Array) => Promise<Float32Array> {
  let first = true;
  return async (pcm) => {
    expect(pcm.length).toBeLessThanOrEqual(30 * 16000);
    const ids = Float32Array.from({ length: Math.ceil(pcm.length / 960) }, (_, row) => pcm[row * 960]);
    if (!first) for (const row of range(0, 20)) ids[row] = 1 - ids[row];
    if (ids.length === 500) for (const row of range(480, 500)) ids[row] = 1 - ids[row];
    first = false;
    return ids;
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const every = (step: number, from: number, to: number) => range(from, to).filter((row) => (row - from) % step === 0);

function run(seconds: number, tokens: readonly number[], options?: ModelActivityOptions): Promise<SpeechEvent[]> {
  return eventsOf(new ModelActivity(recogniser(), options), [soundOf(seconds, tokens)]);
}

describe("the recogniser's own tokens", () => {
  test("a pause of 0.84 s ends a segment, a shorter one does not; 0.3 s are put around", async () => {
    const tokens = [100, 105, 119, 133, 148, 200];
    expect(await run(20, tokens)).toEqual([
      ...([
        [5700, -1],
        [-1, 134 * 60 + 300],
      ] as const),
      ...([
        [148 * 60 - 300, -1],
        [-1, 149 * 60 + 300],
      ] as const),
      ...([
        [200 * 60 - 300, -1],
        [-1, 201 * 60 + 300],
      ] as const),
    ]);
  });

  test("windows: what is said over their seams is one segment, what their ends make up is not there", async () => {
    const tokens = every(5, 430, 1300);
    expect(await run(120, tokens)).toEqual([
      [430 * 60 - 300, -1],
      [-1, 1296 * 60 + 300],
    ]);
  });

  test("it ends no later than the recording", async () => {
    expect(await run(5, range(10, 83))).toEqual([
      [300, -1],
      [-1, 5000],
    ]);
  });

  test("a segment that lasts too long is cut at its longest pause", async () => {
    const tokens = [...every(2, 40, 100), ...every(2, 106, 300)];
    const events = await run(25, tokens, { maxSegmentMs: 10_000 });
    const spans: [number, number][] = [];
    for (const [start, end] of events) {
      if (start >= 0) spans.push([start, end]);
      else spans[spans.length - 1][1] = end;
    }
    expect(spans[0]).toEqual([40 * 60 - 300, ((99 + 106) / 2) * 60]);
    for (const [i, [start, end]] of spans.entries()) {
      expect(end - start).toBeLessThanOrEqual(10_000);
      if (i) expect(start).toBe(spans[i - 1][1]);
    }
    expect(spans.at(-1)?.[1]).toBe(299 * 60 + 300);
  });

  test("without a pause it is cut where it has to be", async () => {
    const events = await run(10, range(10, 150), { maxSegmentMs: 3000 });
    expect(events.slice(0, 3)).toEqual([
      [300, -1],
      [-1, 3000],
      [3000, -1],
    ]);
  });

  test("silence, and no sound at all, have no events", async () => {
    expect(await run(70, [])).toEqual([]);
    expect(await eventsOf(new ModelActivity(recogniser()), [])).toEqual([]);
  });

  test("any cutting gives the same events", async () => {
    const pcm = soundOf(70, [...every(3, 100, 300), ...every(7, 340, 700), 900, 1100]);
    const whole = await eventsOf(new ModelActivity(recogniser()), [pcm]);
    expect(whole.length).toBeGreaterThan(4);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 500_000 }), { minLength: 1, maxLength: 8 }), async (list) => {
        expect(await eventsOf(new ModelActivity(recogniser()), cut(pcm, list))).toEqual(whole);
      }),
      { numRuns: 20, seed: 5 },
    );
  });
});
