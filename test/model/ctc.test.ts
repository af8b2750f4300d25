import { expect, test } from "vitest";
import { collapse, splitHeader } from "../../src/model/ctc.ts";

test("repeats become one token, blanks go and part equal tokens", () => {
  const tokens = collapse([0, 7, 7, 0, 7, 9, 9, 9, 0, 0]);
  expect(tokens.map(({ id, start, end }) => [id, start, end])).toEqual([
    [7, 1, 3],
    [7, 4, 5],
    [9, 5, 8],
  ]);
});

test("no rows, or nothing but blanks, give no tokens", () => {
  expect(collapse([])).toEqual([]);
  expect(collapse(new Int32Array(5))).toEqual([]);
});

test("a token has the highest probability of its rows", () => {
  expect(collapse([7, 7, 0, 9], [0.25, 0.5, 1, 0.125]).map(({ probability }) => probability)).toEqual([
    0.5, 0.125,
  ]);
});

test("another blank", () => {
  expect(collapse([0, 3, 0], undefined, 3).map(({ id }) => id)).toEqual([0, 0]);
});

test("tokens of the first four rows are the header", () => {
  const { header, speech } = splitHeader(collapse([970, 980, 976, 992, 0, 5, 5, 6]));
  expect(header.map(({ id }) => id)).toEqual([970, 980, 976, 992]);
  expect(speech.map(({ id }) => id)).toEqual([5, 6]);
});

test("a header row that is blank does not move speech into the header", () => {
  const { header, speech } = splitHeader(collapse([970, 0, 976, 992, 5]));
  expect(header).toHaveLength(3);
  expect(speech.map(({ id }) => id)).toEqual([5]);
});
