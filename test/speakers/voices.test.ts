import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { averageLinkage, meanCosine } from "../../src/speakers/linkage.ts";
import { byAppearance } from "../../src/speakers/turn.ts";
import { unit } from "../../src/speakers/vectors.ts";
import { groupVoices, SAME_VOICE } from "../../src/speakers/voices.ts";
import { embeddingsFrom, goldenLines, randomNumbers, type TalkOptions, talk } from "../support/speakers.ts";

const found = (labels: readonly number[]) => new Set(labels).size;

/** Of how many conversations the number of voices is right, too large, too small. */
function counts(options: Omit<TalkOptions, "seed">, sameVoice = SAME_VOICE, times = 20) {
  const result = { right: 0, more: 0, fewer: 0 };
  for (let seed = 0; seed < times; seed++) {
    const { embeddings, truth } = talk({ ...options, seed: seed + 1 });
    const more = found(groupVoices(embeddings, { sameVoice })) - found(truth);
    result[more === 0 ? "right" : more > 0 ? "more" : "fewer"]++;
  }
  return result;
}

describe("groupVoices", () => {
  test("one voice is not split, of 1 to 200 windows, whatever its moods", () => {
    for (const windows of [1, 2, 3, 5, 8, 13, 19, 20, 50, 200]) {
      for (const within of [0.6, 0.75, 0.9]) {
        expect(counts({ voices: 1, windows, within, between: 0, moods: 0.2 }), `${windows}, ${within}`).toEqual({
          right: 20,
          more: 0,
          fewer: 0,
        });
      }
    }
  });

  test("two to four voices are told apart, in fewer than 20 windows too", () => {
    for (const windows of [8, 12, 19, 30, 80]) {
      for (const voices of [2, 3, 4].filter((count) => count * 4 <= windows)) {
        const { right } = counts({ voices, windows, within: 0.7, between: 0.15, moods: 0.2 });
        expect(right, `${voices} voices, ${windows} windows`).toBeGreaterThanOrEqual(18);
      }
    }
  });

  test("the limit of likeness is the best of its neighbours on near voices", () => {
    const wrong = (sameVoice: number) => {
      let sum = 0;
      for (const windows of [8, 14, 30, 80]) {
        for (const [within, between] of [
          [0.6, 0.4],
          [0.75, 0.45],
          [0.5, 0.15],
          [0.6, 0],
        ]) {
          for (const voices of [1, 3]) {
            const options = { voices, windows, within, between, moods: 0.2, mixed: 0.15 };
            sum += 10 - counts(options, sameVoice, 10).right;
          }
        }
      }
      return sum;
    };
    const [low, chosen, high] = [0.65, SAME_VOICE, 0.85].map(wrong);
    expect(chosen).toBeLessThan(low);
    expect(chosen).toBeLessThan(high);
  });

  test("the truth of the reference's own sets, where voices are not so near that it merges them", () => {
    interface Set {
      readonly id: number;
      readonly embeddings: string;
      readonly truth: readonly number[];
    }
    const sets = goldenLines<Set>("clusters.jsonl");
    for (const { id, embeddings, truth } of sets.filter(({ id }) => ![8, 10, 11].includes(id))) {
      expect(groupVoices(embeddingsFrom(embeddings)), `set ${id}`).toEqual(byAppearance(truth));
    }
  });

  test("a given number of voices is found in any number of windows that has as many", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(),
        (windows, speakers, seed) => {
          const { embeddings } = talk({ voices: 3, windows, seed });
          expect(found(groupVoices(embeddings, { speakers }))).toBe(Math.min(speakers, windows));
        },
      ),
    );
  });

  test("a given number that is right is the truth", () => {
    for (const windows of [6, 12, 40, 120]) {
      const { embeddings, truth } = talk({ voices: 3, windows: windows, seed: 3, between: 0.4, within: 0.7 });
      expect(groupVoices(embeddings, { speakers: found(truth) })).toEqual(byAppearance(truth));
    }
  });

  test("loudness and the order of windows do not count", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), (windows, seed) => {
        const { embeddings } = talk({ voices: 2, windows, seed });
        const labels = groupVoices(embeddings);
        expect(groupVoices(embeddings.map((embedding) => embedding.map((value) => value * 8)))).toEqual(labels);
        expect(byAppearance(groupVoices(embeddings.toReversed()).toReversed())).toEqual(labels);
      }),
      { numRuns: 40 },
    );
  });

  test("equal windows, windows of zeros and none at all", () => {
    const same = Array.from({ length: 30 }, () => new Float32Array(192).fill(1));
    expect(groupVoices(same)).toEqual(Array(30).fill(0));
    expect(groupVoices(Array.from({ length: 5 }, () => new Float32Array(192)))).toHaveLength(5);
    expect(groupVoices([])).toEqual([]);
  });

  test("many windows are grouped in blocks first, with the same answer as all with all", () => {
    const { embeddings, truth } = talk({ voices: 5, windows: 4500, seed: 9 });
    const labels = groupVoices(embeddings);
    expect(labels).toEqual(byAppearance(truth));
    expect(byAppearance(labels.slice(0, 1500))).toEqual(groupVoices(embeddings.slice(0, 1500)));
  });

  test("20 000 windows: no matrix of all with all", { timeout: 120_000 }, () => {
    const { embeddings, truth } = talk({ voices: 6, windows: 20_000, seed: 2 });
    const before = process.memoryUsage().rss;
    const labels = groupVoices(embeddings);
    expect(labels).toEqual(byAppearance(truth));
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(400); // all with all in f32: 1526 MB
  });
});

describe("averageLinkage", () => {
  /** By the definition: of all pairs of groups the one of the highest mean cosine, again and again. */
  function slowly(units: readonly Float64Array[]): number[] {
    let groups = units.map((sum) => ({ sum, count: 1 }));
    const similarities: number[] = [];
    while (groups.length > 1) {
      let best = { similarity: Number.NEGATIVE_INFINITY, i: 0, j: 0 };
      for (let i = 0; i < groups.length; i++) {
        for (let j = 0; j < i; j++) {
          const similarity = meanCosine(groups[i], groups[j]);
          if (similarity > best.similarity) best = { similarity, i, j };
        }
      }
      const [one, other] = [groups[best.i], groups[best.j]];
      const joined = { sum: one.sum.map((value, k) => value + other.sum[k]), count: one.count + other.count };
      groups = [...groups.filter((group) => group !== one && group !== other), joined];
      similarities.push(best.similarity);
    }
    return similarities;
  }

  test("joins what the definition joins, in its order", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat(), (n, seed) => {
        const random = randomNumbers(seed);
        const units = Array.from({ length: n }, () => unit(Float64Array.from({ length: 6 }, () => random() - 0.4)));
        const merges = averageLinkage(units.map((sum) => ({ sum, count: 1 })));
        const expected = slowly(units);
        expect(merges.length).toBe(n - 1);
        for (const [i, { similarity }] of merges.entries()) expect(similarity).toBeCloseTo(expected[i], 9);
        expect(new Set(merges.flatMap(({ a, b }) => [a, b])).size).toBe(2 * (n - 1));
      }),
    );
  });
});
