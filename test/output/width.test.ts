import { expect, test } from "vitest";
import { LINE_WIDTH, textWidth } from "../../src/output/width.ts";

test.each([
  ["42 Latin letters fill a line", "x".repeat(42), 1],
  ["18 Chinese characters fill a line", "界".repeat(18), 1],
  ["Korean, Japanese, fullwidth forms and CJK punctuation are wide", "가あアＡ，。「", 7 / 18],
  ["halfwidth forms, Arabic and Cyrillic are narrow", "ｱمЖ", 3 / 42],
  ["rare characters of the supplementary planes are wide", "𠮷𛀀", 2 / 18],
  ["emoji are wide, each once: joined, coloured, flags, by variation selector", "😊👨‍👩‍👧👍🏽🇨🇳❤️", 5 / 18],
  ["accents, joiners and marks of direction take no room", "e\u0301\u200b\u200f", 1 / 42],
])("%s", (_, text, lines) => {
  expect(textWidth(text) / LINE_WIDTH).toBeCloseTo(lines, 10);
});
