import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { countEdits, editDistance, errorRate, sumEdits } from "../../src/eval/align.ts";

interface Pair {
  readonly reference: string;
  readonly hypothesis: string;
  /** Substitutions, deletions, insertions. */
  readonly words: readonly number[];
  readonly characters: readonly number[];
}

/** Random pairs and jiwer's counts for them; make_jiwer.py wrote the file. */
const pairs = readFileSync(new URL("fixtures/jiwer.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Pair);

function counts(reference: readonly unknown[], hypothesis: readonly unknown[]): number[] {
  const { substitutions, deletions, insertions } = countEdits(reference, hypothesis);
  return [substitutions, deletions, insertions];
}

describe("as jiwer", () => {
  const split = (text: string) => text.split(" ").filter((word) => word !== "");

  test("there are pairs with every kind of edit", () => {
    expect(pairs).toHaveLength(160);
    for (const kind of [0, 1, 2]) expect(pairs.some(({ words }) => words[kind] > 2)).toBe(true);
  });

  test("words", () => {
    const got = pairs.map(({ reference, hypothesis }) => counts(split(reference), split(hypothesis)));
    expect(got).toEqual(pairs.map(({ words }) => words));
  });

  test("characters", () => {
    const got = pairs.map(({ reference, hypothesis }) => counts([...reference], [...hypothesis]));
    expect(got).toEqual(pairs.map(({ characters }) => characters));
  });
});

describe("by hand", () => {
  test.each<[reference: string, hypothesis: string, counts: number[]]>([
    ["", "", [0, 0, 0]],
    ["abc", "abc", [0, 0, 0]],
    ["", "abc", [0, 0, 3]],
    ["abc", "", [0, 3, 0]],
    ["kitten", "sitting", [2, 0, 1]],
    ["abcd", "bcd", [0, 1, 0]],
    ["abc", "abxc", [0, 0, 1]],
    ["今天下雪", "今天下雨", [1, 0, 0]],
  ])("%s → %s", (reference, hypothesis, expected) => {
    expect(counts([...reference], [...hypothesis])).toEqual(expected);
  });

  test("there and back, deletions and insertions change places and the distance stays", () => {
    for (const { reference, hypothesis } of pairs) {
      const there = countEdits([...reference], [...hypothesis]);
      const back = countEdits([...hypothesis], [...reference]);
      expect(editDistance(back)).toBe(editDistance(there));
      expect(there.deletions - there.insertions).toBe([...reference].length - [...hypothesis].length);
    }
  });
});

test("rates are of sums", () => {
  const one = countEdits([..."ab"], [..."ax"]);
  const two = countEdits([..."abcdef"], [..."abcdef"]);
  expect(errorRate(sumEdits([one, two]))).toBe(1 / 8);
  expect(errorRate(countEdits([], ["x"]))).toBeNull();
  expect(errorRate(countEdits(["x"], ["a", "b", "c"]))).toBe(3);
});
