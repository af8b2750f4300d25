import fc from "fast-check";
import { expect, test } from "vitest";
import { figureRows, figuresOf, shares, sumFigures } from "../../../src/output/inspect/figures.ts";
import { countUnits } from "../../../src/output/inspect/units.ts";
import { heard, segment } from "../heard.ts";

test.each([
  ["well-known don't 45", { unit: "words", count: 3 }],
  ["开饭时间，上午九点。", { unit: "characters", count: 8 }],
  ["我要一个 iPhone 15", { unit: "characters", count: 6 }],
  ["ok ok ok 好", { unit: "words", count: 4 }],
  ["오늘 서울", { unit: "characters", count: 4 }],
  ["コーヒー", { unit: "characters", count: 4 }],
  ["… ¿?", { unit: "words", count: 0 }],
])("words and characters of %j", (text, expected) => expect(countUnits(text)).toEqual(expected));

// 1-3 talk, 3-4 silence, 4-8 talk, 8-9 music, 9-10 silence.
const recording = heard(
  10,
  segment(1, 3, "one two three", { emotion: "happy" }),
  segment(4, 8, "一二三四五六", { emotion: "angry", language: "zh" }),
  segment(8, 9, "", { emotion: "unknown", events: ["bgm"], language: "nospeech" }),
);
const FIGURES = {
  ...{ duration: 10, talk: 6, sound: 1, silence: 3 },
  characters: { count: 6, seconds: 4, rate: 1.5 },
  words: { count: 3, seconds: 2, rate: 90 },
  emotions: { angry: 4, happy: 2 },
  languages: { zh: 4, en: 2 },
};

test("times, rates and shares worked out by hand", () => {
  expect(figuresOf(recording)).toEqual(FIGURES);
  expect(Object.keys(figuresOf(recording).emotions)).toEqual(["angry", "happy"]);
});

test("of several recordings: sums, and the rates of the sums", () => {
  const more = figuresOf(heard(2, segment(0, 2, "one two three four five", { emotion: "sad" })));
  expect(sumFigures([FIGURES, more])).toEqual({
    ...{ duration: 12, talk: 8, sound: 1, silence: 3 },
    characters: { count: 6, seconds: 4, rate: 1.5 },
    words: { count: 8, seconds: 4, rate: 120 },
    emotions: { angry: 4, happy: 2, sad: 2 },
    languages: { zh: 4, en: 4 },
  });
  expect(sumFigures([])).toMatchObject({ duration: 0, talk: 0, words: { count: 0, seconds: 0, rate: null } });
});

test("as reports write them", () => {
  expect(figureRows(figuresOf(recording))).toEqual([
    ["Duration", "10.0 s", ""],
    ["Talk", "6.0 s", "(60 %)"],
    ["Other sound", "1.0 s", "(10 %)"],
    ["Silence", "3.0 s", "(30 %)"],
    ["Speech rate", "1.5", "characters/s"],
    ["Speech rate", "90", "words/min"],
  ]);
  expect(figureRows(figuresOf(heard(3725)))[0]).toEqual(["Duration", "1:02:05", ""]);
  expect(shares({ angry: 4, happy: 2 }, 6)).toBe("angry 67 %, happy 33 %");
});

test("talk, sound and silence make up the duration, however segments lie", () => {
  const times = fc.tuple(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 1, max: 3000 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(times), fc.integer({ min: 1, max: 12_000 }), (list, duration) => {
      const segments = list
        .map(([start, length, speaks]) => segment(start / 1000, (start + length) / 1000, speaks ? "word" : ""))
        .filter(({ end }) => end <= duration / 1000)
        .sort((a, b) => a.start - b.start);
      const { talk, sound, silence, emotions } = figuresOf(heard(duration / 1000, ...segments));
      expect(talk + sound + silence).toBeCloseTo(duration / 1000, 6);
      expect(emotions.neutral ?? 0).toBe(talk);
    }),
  );
});
