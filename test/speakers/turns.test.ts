import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChangeLimit } from "../../src/speakers/change.ts";
import { clearOf, coarse, everyHalf, RATE, refine, WINDOW, windowOf } from "../../src/speakers/chunks.ts";
import { byAppearance } from "../../src/speakers/turn.ts";
import { longestOverlap, roundHundredths, turnsOf } from "../../src/speakers/turns.ts";

describe("windows of a stretch", () => {
  const samples = fc.integer({ min: 1, max: 40 * RATE });

  test("FunASR's cover every sample, 1.5 s each, the last at the end", () => {
    fc.assert(
      fc.property(samples, (count) => {
        const chunks = everyHalf(count, 0);
        expect(chunks.length).toBe(count < WINDOW ? 1 : Math.ceil((count - WINDOW) / (WINDOW / 2)) + 1);
        expect(chunks.at(-1)?.last).toBe(count);
        for (const { first, last } of chunks) expect(last - first).toBe(Math.min(WINDOW, count));
      }),
    );
  });

  test("ours speak for equal shares of up to 2 s, each from the middle of its own", () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 0, max: 1e7 }), (count, startMs) => {
        const chunks = coarse(count, startMs);
        expect(chunks.length).toBe(Math.ceil(count / (2 * RATE)));
        expect(chunks[0].start).toBe(startMs / 1000);
        expect(chunks.at(-1)?.end).toBe(count / RATE + startMs / 1000);
        expect(count - (chunks.at(-1)?.last ?? 0)).toBeLessThanOrEqual(RATE / 4);
        for (const [i, { first, last, start, end }] of chunks.entries()) {
          expect(last - first).toBe(Math.min(WINDOW, count));
          if (i === 0) continue;
          expect(start).toBe(chunks[i - 1].end);
          expect(first - chunks[i - 1].last).toBeLessThanOrEqual(RATE / 2);
          const middle = (first + last) / 2 / RATE + startMs / 1000;
          if (i < chunks.length - 1) expect(Math.abs(middle - (start + end) / 2)).toBeLessThan(1e-3);
        }
      }),
    );
  });

  test("a window in between only where neighbours differ", () => {
    const chunks = coarse(8 * RATE, 1000);
    expect(chunks.map(({ first }) => first / RATE)).toEqual([0.25, 2.25, 4.25, 6.25]);
    const [a, b] = [Float32Array.of(1, 0), Float32Array.of(0, 1)];
    const between = refine(chunks, [a, a, b, b], 1000, 0.5);
    expect(between).toEqual([{ start: 4.25, end: 5.75, first: 3.25 * RATE, last: 4.75 * RATE }]);
    expect(refine(chunks, [a, a, a, a], 1000, 0.5)).toEqual([]);
    const close = coarse(2.1 * RATE, 0);
    expect(close).toHaveLength(2);
    expect(refine(close, [a, b], 0, 0.5)).toEqual([]); // they begin 0.6 s apart
    expect(refine(chunks.slice(0, 1), [a], 1000, 0.5)).toEqual([]);
  });

  test("inner windows that are like neither neighbour are not clear", () => {
    const [a, b, both] = [Float32Array.of(1, 0), Float32Array.of(0, 1), Float32Array.of(0.4, 0.4)];
    expect(clearOf([a, a, both, b, b], 0.8)).toEqual([true, true, false, true, true]);
    expect(clearOf([a, both, b], 0.8)).toEqual([true, false, true]);
    expect(clearOf([both], 0.8)).toEqual([true]);
  });

  test("what counts as a change is 0.6 at most, and less where a voice's own windows vary", () => {
    const limit = new ChangeLimit();
    expect(limit.value).toBeCloseTo(0.75 * 0.7, 9);
    const angles = (step: number) => Array.from({ length: 200 }, (_, i) => [Math.cos(i * step), Math.sin(i * step)]);
    const alike = new ChangeLimit();
    alike.add(angles(Math.acos(0.9)).map((pair) => Float32Array.from(pair)));
    expect(alike.value).toBe(0.6);
    limit.add(angles(Math.acos(0.4)).map((pair) => Float32Array.from(pair)));
    expect(limit.value).toBeCloseTo(0.3, 9);
  });

  test("a stretch under 1.5 s has zeros behind", () => {
    const pcm = new Float32Array(RATE).fill(1);
    const [chunk] = coarse(pcm.length, 0);
    expect(chunk.end).toBe(1);
    const window = windowOf(pcm, chunk);
    expect(window.length).toBe(WINDOW);
    expect(window.indexOf(0)).toBe(RATE);
  });
});

describe("turns", () => {
  test("rounded as Python's round has it: exact value, ties to even", () => {
    const cases = [
      [1.125, 1.12],
      [1.375, 1.38],
      [1.875, 1.88],
      [0.625, 0.62],
      [2.675, 2.67],
      [1.005, 1],
      [0.015, 0.01],
      [1234.565, 1234.57],
      [36000.125, 36000.12],
      [7, 7],
    ];
    for (const [value, rounded] of cases) expect(roundHundredths(value)).toBe(rounded);
  });

  test("by time, none overlapping, speakers by first appearance", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 100, max: 200_000 }), fc.integer({ min: 0, max: 3000 })), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 200, maxLength: 200 }),
        fc.boolean(),
        (stretches, voices, keepApart) => {
          let at = 0;
          const chunks = stretches.flatMap(([samples, pause]) => {
            const own = everyHalf(samples, at);
            at += Math.ceil(samples / 16) + pause;
            return own;
          });
          const turns = turnsOf(chunks, voices.slice(0, chunks.length), { keepApart });
          for (const [i, turn] of turns.entries()) {
            expect(turn.end).toBeGreaterThanOrEqual(turn.start);
            if (i > 0) expect(turn.start).toBeGreaterThanOrEqual(turns[i - 1].end - 0.0101);
          }
        },
      ),
    );
  });

  test("a short turn between pauses keeps its speaker if asked to, and goes to its neighbour in the reference", () => {
    const chunks = [
      { start: 0, end: 3 },
      { start: 3.5, end: 4 },
      { start: 4.6, end: 8 },
    ];
    const speakers = (keepApart: boolean) => turnsOf(chunks, [0, 1, 0], { keepApart }).map(({ speaker }) => speaker);
    expect(speakers(true)).toEqual([0, 1, 0]);
    expect(speakers(false)).toEqual([0, 0, 0]);
    const touching = [chunks[0], { start: 3, end: 3.5 }, chunks[2]];
    expect(turnsOf(touching, [0, 1, 0], { keepApart: true })).toEqual([
      { start: 0, end: 3.5, speaker: 0 },
      { start: 4.6, end: 8, speaker: 0 },
    ]);
  });

  test("the longest overlap wins, all of a speaker's turns together", () => {
    const turns = [
      { start: 0, end: 1, speaker: 0 },
      { start: 1, end: 2.9, speaker: 1 },
      { start: 3, end: 4, speaker: 0 },
    ];
    expect(longestOverlap({ start: 0, end: 2.9 }, turns)).toBe(1); // the reference says 0
    expect(longestOverlap({ start: 0, end: 4 }, turns)).toBe(0);
    expect(longestOverlap({ start: 0.5, end: 1.5 }, turns)).toBe(0);
    expect(longestOverlap({ start: 5, end: 6 }, turns)).toBeNull();
    expect(longestOverlap({ start: 1, end: 1 }, turns)).toBeNull();
  });

  test("labels by first appearance", () => {
    expect(byAppearance([7, 7, -1, 3, 7])).toEqual([0, 0, 1, 2, 0]);
  });
});
