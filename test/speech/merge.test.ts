import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createMerger, createSplitter, LONGEST_PAUSE, type Merger, type Span } from "../../src/speech/merge.ts";

interface Case {
  readonly segments: readonly Span[];
  readonly longest: number;
  readonly merged: readonly Span[];
}

const cases = readFileSync(new URL("fixtures/merge.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Case);

function merge(merger: Merger, segments: readonly Span[]): Span[] {
  const merged = segments.flatMap(([start, end]) => [...merger.begin(start), ...merger.end(end)]);
  return [...merged, ...merger.close()];
}

const pauses = ({ segments }: Case) => segments.map(([start], i) => start - (segments[i - 1]?.[1] ?? 0));

describe("joined segments", () => {
  const short = cases.filter((list) => Math.max(0, ...pauses(list)) <= LONGEST_PAUSE);
  test("there are lists of all kinds", () => {
    expect(short.length).toBeGreaterThan(200);
    expect(short.some(({ segments, merged }) => merged.length < segments.length)).toBe(true);
    expect(short.some(({ segments, merged }) => merged.length > segments.length)).toBe(true);
  });

  test("are FunASR's", () => {
    for (const { segments, longest, merged } of short) {
      expect(merge(createMerger(longest), segments), JSON.stringify(segments)).toEqual(merged);
    }
  });

  test("come as soon as nothing can change them", () => {
    const merger = createMerger(15_000);
    expect([merger.begin(1000), merger.end(9000), merger.begin(11_000)]).toEqual([[], [], []]);
    expect(merger.end(15_000)).toEqual([[0, 11_000]]);
    expect(merger.oldest()).toBe(11_000);
    expect(merger.close()).toEqual([[11_000, 15_000]]);
  });

  test("a pause of more than a minute belongs to none, and begins anew", () => {
    const parts: Span[] = [
      [1000, 2000],
      [4000, 5000],
      [65_001, 70_000],
      [131_000, 132_000],
      [133_000, 134_000],
    ];
    expect(merge(createMerger(15_000), parts)).toEqual([
      [0, 5000],
      [65_001, 70_000],
      [131_000, 134_000],
    ]);
    expect(merge(createMerger(15_000), [[70_000, 71_000]])).toEqual([[70_000, 71_000]]);
    expect(merge(createMerger(15_000), [...parts.slice(3), [140_000, 150_000]])).toEqual([
      [131_000, 140_000],
      [140_000, 150_000],
    ]);
  });
});

describe("segments that are not joined", () => {
  test("are the stretches of speech", () => {
    for (const { segments } of cases) expect(merge(createSplitter(), segments)).toEqual(segments);
  });

  test("what is held begins where speech does", () => {
    const splitter = createSplitter();
    expect(splitter.oldest()).toBeUndefined();
    splitter.begin(500);
    expect(splitter.oldest()).toBe(500);
    splitter.end(700);
    expect(splitter.oldest()).toBeUndefined();
  });
});
