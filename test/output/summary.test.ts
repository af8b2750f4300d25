import { expect, test } from "vitest";
import { summarise } from "../../src/output/summary.ts";
import type { Segment } from "../../src/speech/segment.ts";
import { segment } from "./segment.ts";

const part = (start: number, end: number, tags: string, more: Partial<Segment> = {}): Segment => ({
  ...segment(start, end, tags),
  ...more,
});

test("language and emotion are those of the most seconds; silence does not count where somebody speaks", () => {
  const segments = [
    part(0, 30, "<|nospeech|><|SAD|><|BGM|>"),
    part(30, 32, "<|en|><|HAPPY|><|Speech|>"),
    part(32, 35, "<|zh|><|NEUTRAL|><|Speech|>"),
    part(35, 37, "<|en|><|NEUTRAL|><|Laughter|>"),
  ];
  expect(summarise(segments)).toMatchObject({
    language: "en",
    emotion: "neutral",
    events: ["bgm", "speech", "laughter"],
    words: null,
  });
  expect(summarise(segments.slice(0, 1))).toMatchObject({ language: "nospeech", emotion: "sad" });
  expect(summarise([])).toEqual({
    ...{ tokens: [], language: "unknown", emotion: "unknown", events: [], words: null, confidence: 1 },
  });
});

test("tags do not count for the confidence, nor do segments in which nothing is said", () => {
  const tags = "<|en|><|HAPPY|><|Speech|><|woitn|>";
  const segments = [
    part(0, 1, `${tags}two words`, { tokens: [1, 2, 3, 4, 5, 6], confidence: 0.5 }),
    part(1, 2, tags, { tokens: [1, 2, 3, 4], confidence: 1 }),
  ];
  expect(summarise(segments).confidence).toBeCloseTo(0.5, 12);
});

test("tokens and words follow one another; the confidence is the geometric mean over the tokens", () => {
  const word = (name: string) => ({ word: name, start: 0, end: 1, confidence: 1 });
  const segments = [
    part(0, 1, "a", { tokens: [1, 2, 3], confidence: 0.5, words: [word("a")] }),
    part(1, 2, "b", { tokens: [4], confidence: 0.25, words: [word("b")] }),
    part(2, 3, "", { tokens: [], confidence: 1, words: [] }),
  ];
  const { tokens, words, confidence } = summarise(segments);
  expect(tokens).toEqual([1, 2, 3, 4]);
  expect(words?.map((found) => found.word)).toEqual(["a", "b"]);
  expect(confidence).toBeCloseTo((0.5 ** 3 * 0.25) ** (1 / 4), 12);
});
