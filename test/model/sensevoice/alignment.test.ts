import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ctcForcedAlign, tokenSpans } from "../../../src/model/sensevoice/alignment.ts";
import { watchEventLoop } from "../../support/eventLoop.ts";
import { randomizer } from "../../support/random.ts";
import { relativeError, TOLERANCE } from "../../support/tolerances.ts";

/** FunASR's ctc_forced_align on random logits; `error` where it raised. */
interface Golden {
  name: string;
  rows: number;
  vocab: number;
  /** [rows, vocab] log-probabilities, with the blank's already 0 where the case says so. */
  logits: number[];
  tokens: number[];
  path?: number[];
  error?: string;
}
const golden: Golden[] = JSON.parse(readFileSync(new URL("../../golden/align.json", import.meta.url), "utf8"));

/** Rows of a matrix [rows, columns]. */
const rowsOf = (data: Float32Array, columns: number) => (first: number, rows: number) =>
  data.subarray(first * columns, (first + rows) * columns);

/** Aligns scores [rows, 1 + tokens]: the blank's column, then the tokens', all of them different. */
const align = async (scores: Float32Array, blankIsBest: ArrayLike<boolean | number>, tokens: number[]) => {
  const symbols = [0, ...tokens];
  const { path } = await ctcForcedAlign({ scores: rowsOf(scores, symbols.length), blankIsBest, symbols }, tokens);
  return [...path];
};

describe("ctcForcedAlign", () => {
  test.each(golden.filter(({ path }) => path).map((c): [string, Golden] => [c.name, c]))("%s", async (_, c) => {
    const scores = rowsOf(Float32Array.from(c.logits), c.vocab);
    const symbols = Array.from({ length: c.vocab }, (_, id) => id);
    const { path, logProbs } = await ctcForcedAlign({ scores, blankIsBest: new Uint8Array(c.rows), symbols }, c.tokens);
    const ids = [...path].map((i) => (i < 0 ? 0 : c.tokens[i]));
    expect(ids).toEqual(c.path);
    if (c.tokens.length > 0) {
      expect([...logProbs]).toEqual(ids.map((id, row) => Math.fround(c.logits[row * c.vocab + id])));
    }
  });

  test("the golden file has 40 paths; FunASR raised on no tokens alone", () => {
    expect(golden.filter(({ path }) => path)).toHaveLength(40);
    const raised = golden.filter(({ error }) => error).map(({ name, error }) => [name, error]);
    expect(raised).toEqual([["no tokens", "IndexError"]]);
  });

  test("a row whose best symbol is the blank gives the blank a log-probability of 0", async () => {
    // Two rows, one token of log-probability −0.9 and a blank of −1, which 0 would beat.
    const scores = Float32Array.of(-1, -0.9, -1, -0.9);
    expect(await align(scores, [0, 0], [5])).toEqual([0, 0]);
    expect(await align(scores, [1, 0], [5])).toEqual([-1, 0]);
    expect(await align(scores, [false, true], [5])).toEqual([0, -1]);
  });

  test("no tokens and no rows, where the reference raises, give blanks and nothing", async () => {
    expect(await align(new Float32Array(3), [0, 0, 0], [])).toEqual([-1, -1, -1]);
    expect(await align(new Float32Array(0), [], [5])).toEqual([]);
  });

  test("scores of another size are an error", async () => {
    const scores = () => new Float32Array(5);
    const call = ctcForcedAlign({ scores, blankIsBest: [0, 0], symbols: [0, 5, 6] }, [5, 6]);
    await expect(call).rejects.toThrow("[alignment] scores: expected 2 x 3 numbers (rows x symbols), got 5");
  });

  test("of many rows the path is that of the whole lattice, and the event loop goes on", async () => {
    const [rows, vocab] = [5000, 40];
    const random = randomizer(3);
    const scores = (random([rows * vocab], 3).data as Float32Array).map((x) => x - 3);
    const blankIsBest = Uint8Array.from({ length: rows }, (_, row) => Number(row % 3 === 1));
    const tokens = Array.from({ length: 1500 }, (_, i) => ((i * 7) % 39) + (i % 5 ? 1 : 0));
    const symbols = Array.from({ length: vocab }, (_, id) => id);
    const asked: number[] = [];
    const options = {
      blankIsBest,
      symbols,
      scores: (first: number, count: number) => {
        asked.push(count);
        return rowsOf(scores, vocab)(first, count);
      },
    };
    let found: Awaited<ReturnType<typeof ctcForcedAlign>> | undefined;
    const { longest } = await watchEventLoop(async () => {
      found = await ctcForcedAlign(options, tokens);
    });
    expect([...(found?.path ?? [])]).toEqual(wholeLattice(scores, vocab, blankIsBest, tokens));
    expect(Math.max(...asked)).toBeLessThan(rows / 2);
    expect(longest).toBeLessThan(100);
  });
});

/** The path by Viterbi with all states of all rows in memory, step by step as it is defined. */
function wholeLattice(scores: Float32Array, vocab: number, blankIsBest: Uint8Array, tokens: number[]): number[] {
  const states = 2 * tokens.length + 1;
  const idOf = (state: number) => (state % 2 ? tokens[(state - 1) / 2] : 0);
  const emission = (row: number, state: number) =>
    idOf(state) === 0 && blankIsBest[row] ? 0 : scores[row * vocab + idOf(state)];
  let best = new Float32Array(states).fill(-Infinity);
  best[0] = emission(0, 0);
  best[1] = emission(0, 1);
  const from: Int32Array[] = [new Int32Array(states)];
  for (let row = 1; row < blankIsBest.length; row++) {
    const next = new Float32Array(states);
    const source = new Int32Array(states);
    for (let s = 0; s < states; s++) {
      const reachable = [s, s - 1, ...(s >= 2 && idOf(s) !== idOf(s - 2) ? [s - 2] : [])].filter((p) => p >= 0);
      source[s] = reachable.reduce((a, b) => (best[b] > best[a] ? b : a));
      next[s] = best[source[s]] + emission(row, s);
    }
    best = next;
    from.push(source);
  }
  const path: number[] = [];
  let state = best[states - 1] > best[states - 2] ? states - 1 : states - 2;
  for (let row = blankIsBest.length - 1; row >= 0; row--) {
    path.unshift(state % 2 ? (state - 1) / 2 : -1);
    state = from[row][state];
  }
  return path;
}

describe("tokenSpans", () => {
  /** Rows of probabilities 0.25, 0.5, 1 and 0.25 for their tokens. */
  const spans = (path: number[], tokens: number[]) => {
    const logProbs = Float32Array.from([0.25, 0.5, 1, 0.25], Math.log);
    return tokenSpans({ path: Int32Array.from(path), logProbs }, tokens);
  };

  test("times in seconds and the peak probability", () => {
    const found = spans([0, 0, -1, -1], [5]);
    expect(found).toHaveLength(1);
    expect(found[0].start).toBe(0);
    expect(found[0].end).toBe(0.09);
    expect(relativeError([found[0].confidence], [0.5])).toBeLessThan(TOLERANCE.f32);
  });

  test("a token in the middle starts 30 ms before its row", () => {
    const [span] = spans([-1, -1, 0, -1], [5]);
    expect([span.start, span.end, span.confidence]).toEqual([0.09, 0.15, 1]);
  });

  test("a path of blanks has no spans", () => {
    expect(spans([-1, -1, -1, -1], [5])).toEqual([]);
    expect(spans([0, 0, 0, 0], [0])).toEqual([]);
  });
});
