import { describe, expect, test } from "vitest";
import { BLANK, collapse, greedy } from "../../../src/model/sensevoice/ctc.ts";
import { type Context, prefixBeam } from "../../../src/model/sensevoice/prefixBeam.ts";
import { randomizer } from "../../support/random.ts";

const VOCAB = 4;

/** ln of random probabilities: [rows, VOCAB]. */
function randomLogProbs(rows: number, seed: number): number[][] {
  const data = randomizer(seed)([rows, VOCAB], 3).data as Float32Array;
  return Array.from({ length: rows }, (_, r) => {
    const row = [...data.subarray(r * VOCAB, (r + 1) * VOCAB)];
    const sum = Math.log(row.reduce((total, v) => total + Math.exp(v), 0));
    return row.map((v) => Math.fround(v - sum));
  });
}

/** As the CTC head gives them: k tokens, best first, then their log-probabilities. */
function topOf(logProbs: number[][], k = VOCAB): Float32Array {
  return Float32Array.from(
    logProbs.flatMap((row) => {
      const ids = row.map((_, id) => id).sort((a, b) => row[b] - row[a]);
      return [...ids.slice(0, k), ...ids.slice(0, k).map((id) => row[id])];
    }),
  );
}

/** Rewards each 1 behind a 2. */
const reward = (gain: number): Context<null> => ({
  root: null,
  step: (state, before, token) => ({ state, gain: before === 2 && token === 1 ? gain : 0 }),
  end: () => 0,
});

/** The best of all texts, by trying every path. */
function tryAll(logProbs: number[][], before: number, gain: number): number[] {
  let best = { score: -Infinity, text: [] as number[] };
  const paths = VOCAB ** logProbs.length;
  for (let path = 0; path < paths; path++) {
    const ids = logProbs.map((_, row) => Math.floor(path / VOCAB ** row) % VOCAB);
    let score = ids.reduce((sum, id, row) => sum + logProbs[row][id], 0);
    const text = collapse([before, ...ids]).slice(before === BLANK ? 0 : 1);
    text.forEach((token, i) => {
      const last = i > 0 ? text[i - 1] : before;
      if (last === 2 && token === 1) score += gain;
    });
    if (score > best.score) best = { score, text };
  }
  return best.text;
}

describe("prefix beam search", () => {
  test("is the best of all paths, rewards counted", async () => {
    let rewarded = 0;
    for (let seed = 0; seed < 60; seed++) {
      const logProbs = randomLogProbs(6, seed);
      for (const before of [BLANK, 1, 2]) {
        const found = await prefixBeam(topOf(logProbs), before, { k: VOCAB, beam: 200, context: reward(1.5) });
        const expected = tryAll(logProbs, before, 1.5);
        if (found) {
          expect(found.tokens).toEqual(expected);
          expect(found.logProbs).toHaveLength(expected.length);
          rewarded++;
        } else expect(expected).toEqual(tryAll(logProbs, before, 0));
      }
    }
    expect(rewarded).toBeGreaterThan(30);
  });

  test("a token's probability is the largest of its rows", async () => {
    const logProbs = [
      [0.1, 0.1, 0.7, 0.1],
      [0.02, 0.08, 0.85, 0.05],
      [0.1, 0.6, 0.2, 0.1],
      [0.8, 0.1, 0.05, 0.05],
    ].map((row) => row.map(Math.log));
    const found = await prefixBeam(topOf(logProbs, 3), BLANK, { k: 3, beam: 4, context: reward(1) });
    expect(found?.tokens).toEqual([2, 1]);
    expect(found?.logProbs.map(Math.exp)).toEqual([expect.closeTo(0.85, 6), expect.closeTo(0.6, 6)]);
  });

  test("without a reward there is nothing to tell; with one that cannot be had the likeliest text is not lost", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const logProbs = randomLogProbs(12, seed);
      const never: Context<number> = {
        root: 0,
        step: (owed, _, token) => (token === 3 ? { state: owed + 9, gain: 9 } : { state: owed, gain: 0 }),
        end: (owed) => -owed,
      };
      expect(await prefixBeam(topOf(logProbs), BLANK, { k: VOCAB, beam: 2, context: never })).toBeUndefined();
      // Everything is worth the same in the end: the best path alone decides.
      const everything: Context<number> = { ...never, end: (owed) => 1 - owed };
      const found = await prefixBeam(topOf(logProbs), BLANK, { k: VOCAB, beam: 2, context: everything });
      const rows = { ids: new Float32Array(12), logProbs: new Float32Array(12) };
      logProbs.forEach((row, r) => {
        rows.logProbs[r] = Math.max(...row);
        rows.ids[r] = row.indexOf(Math.max(...row));
      });
      expect(found?.tokens).toEqual(greedy(rows).tokens);
    }
  });

  test("no rows give no text", async () => {
    expect(await prefixBeam(new Float32Array(0), BLANK, { k: 3, beam: 4, context: reward(1) })).toBeUndefined();
  });
});
