import { expect, test } from "vitest";
import { collapse } from "../../../src/model/sensevoice/ctc.ts";

test("repeats become one token, blanks go and part equal tokens", () => {
  expect(collapse([0, 7, 7, 0, 7, 9, 9, 9, 0, 0])).toEqual([7, 7, 9]);
});

test("no rows, or nothing but blanks, give no tokens", () => {
  expect(collapse([])).toEqual([]);
  expect(collapse(new Int32Array(5))).toEqual([]);
});
