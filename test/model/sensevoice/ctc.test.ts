import { expect, test } from "vitest";
import { collapse, confidenceOf, greedy } from "../../../src/model/sensevoice/ctc.ts";

test("repeats become one token, blanks go and part equal tokens", () => {
  expect(collapse([0, 7, 7, 0, 7, 9, 9, 9, 0, 0])).toEqual([7, 7, 9]);
});

test("no rows, or nothing but blanks, give no tokens", () => {
  expect(collapse([])).toEqual([]);
  expect(collapse(new Int32Array(5))).toEqual([]);
});

test("a token's probability is the largest of its rows; a text's confidence is their geometric mean, tags left out", () => {
  const ids = Float32Array.of(9, 0, 7, 7, 0, 7, 8, 0);
  const logProbs = Float32Array.from([0.01, 1, 0.25, 0.5, 1, 0.125, 1, 1], Math.log);
  const spoken = greedy({ ids, logProbs });
  expect(spoken.tokens).toEqual(collapse(ids));
  expect(spoken.logProbs.map(Math.exp)).toEqual([0.01, 0.5, 0.125, 1].map((p) => expect.closeTo(p, 6)));
  expect(confidenceOf(spoken, (token) => token === 9)).toBeCloseTo(Math.cbrt(0.5 * 0.125 * 1), 6);
  expect(confidenceOf(spoken, () => true)).toBe(1);
  expect(confidenceOf({ tokens: [7], logProbs: [1e-7] }, () => false)).toBe(1);
});
