import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomTensor } from "../../scripts/random-weights.ts";
import { EnergyActivity } from "../../src/speech/energyActivity.ts";
import { watchEventLoop } from "../support/eventLoop.ts";
import { cut, eventsOf } from "../support/vad.ts";

/** Noise of −54 dB, with sounds of −14 dB from one second to another. */
function room(seconds: number, sounds: readonly (readonly [from: number, to: number])[]): Float32Array {
  const noise = randomTensor("noise", [seconds * 16000]).data;
  return noise.map((x, i) => {
    const loud = sounds.some(([from, to]) => i >= from * 16000 && i < to * 16000);
    return x * (loud ? 0.34 : 0.0034);
  });
}

describe("loudness", () => {
  test("two sounds in a quiet room: each begins up to 0.4 s earlier and ends up to 0.3 s later", async () => {
    const sounds = [
      [2, 4],
      [6, 7.5],
    ] as const;
    const events = await eventsOf(new EnergyActivity(), [room(10, sounds)]);
    expect(events).toHaveLength(4);
    sounds.forEach(([from, to], i) => {
      const [[start, open], [told, end]] = events.slice(2 * i);
      expect([open, told]).toEqual([-1, -1]);
      expect(start).toBeGreaterThanOrEqual(from * 1000 - 400);
      expect(start).toBeLessThanOrEqual(from * 1000);
      expect(end).toBeGreaterThanOrEqual(to * 1000);
      expect(end).toBeLessThanOrEqual(to * 1000 + 300);
    });
  });

  test("noise that stays is noise after a while", async () => {
    const events = await eventsOf(new EnergyActivity(), [room(30, [[5, 30]])]);
    expect(events).toHaveLength(2);
    const [[start], [, end]] = events;
    expect(start).toBeLessThanOrEqual(5000);
    expect(end - start).toBeLessThan(15_000);
  });

  test("a segment is cut where the options say", async () => {
    const events = await eventsOf(new EnergyActivity({ maxSegmentMs: 1000 }), [room(6, [[1, 5]])]);
    const starts = events.filter(([start]) => start >= 0).map(([start]) => start);
    const ends = events.filter(([, end]) => end >= 0).map(([, end]) => end);
    expect(starts.length).toBeGreaterThan(3);
    for (const [i, end] of ends.entries()) expect(end - starts[i]).toBeLessThanOrEqual(1010);
  });

  test("silence, and no sound at all, have no events", async () => {
    expect(await eventsOf(new EnergyActivity(), [new Float32Array(32_000)])).toEqual([]);
    expect(await eventsOf(new EnergyActivity(), [])).toEqual([]);
  });

  test("any cutting gives the same events", async () => {
    const pcm = room(8, [
      [1, 2],
      [4, 6],
    ]);
    const whole = await eventsOf(new EnergyActivity(), [pcm]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 }), async (lengths) => {
        expect(await eventsOf(new EnergyActivity(), cut(pcm, lengths))).toEqual(whole);
      }),
      { numRuns: 20, seed: 5 },
    );
  });

  test("the event loop gets its turns", async () => {
    const pcm = new Float32Array(16000 * 1200).fill(0.1);
    const { longest } = await watchEventLoop(() => eventsOf(new EnergyActivity(), [pcm]));
    expect(longest).toBeLessThan(20);
  });

  test("a sample that is no number is an error that says where", async () => {
    const pcm = new Float32Array(1000).fill(Number.POSITIVE_INFINITY, 321);
    await expect(new EnergyActivity().push(pcm)).rejects.toThrow("expected finite samples, got Infinity at sample 321");
  });
});
