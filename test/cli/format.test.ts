import { expect, test } from "vitest";
import { textLines } from "../../src/cli/format.ts";
import type { Transcript } from "../../src/node.ts";

const transcript = (words: Transcript["words"]): Transcript => ({
  ...{ text: "good morning", raw: "<|en|>good morning", tokens: [1, 2], duration: 4000 },
  ...{ language: "en", emotion: "neutral", events: ["speech"], words },
  timings: { features: 1, encode: 2, decode: 3, total: 6 },
});

test("text alone, and with the file's name", () => {
  expect(textLines(transcript(null))).toBe("good morning\n");
  expect(textLines(transcript([]), "a.wav")).toBe("a.wav: good morning\n");
});

test("words with their times, past the hour too", () => {
  const words = [
    { word: "good", start: 0.45, end: 1.2, confidence: 0.9 },
    { word: "morning", start: 59.9999, end: 3661.002, confidence: 0.8 },
  ];
  expect(textLines(transcript(words))).toBe(
    "good morning\n[00:00.450 --> 00:01.200] good\n[01:00.000 --> 01:01:01.002] morning\n",
  );
});
