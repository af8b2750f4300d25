import { expect, test } from "vitest";
import { SenseVoiceError } from "../../src/error.ts";
import { parseRttm, parseUem } from "../../src/eval/rttm.ts";
import { writeDocument } from "../../src/output/formats.ts";
import { segment } from "../output/segment.ts";

test("speakers by recording; other lines, comments and turns of no length are passed over", () => {
  const text = [
    "\ufeff;; a comment",
    "# another",
    "SPKR-INFO a 1 <NA> <NA> <NA> unknown A <NA> <NA>",
    "SPEAKER a 1 0.5 2.25 <NA> <NA> A <NA> <NA>",
    "  SPEAKER  b  1  3 .5 <NA> <NA> B <NA>\r",
    "",
    "SPEAKER a 1 4 0 <NA> <NA> A <NA> <NA>",
    "SPEAKER c 1 4 0.000 <NA> <NA> A <NA> <NA>",
  ].join("\n");
  expect([...parseRttm(text, "x")]).toEqual([
    ["a", [{ start: 0.5, end: 2.75, speaker: "A" }]],
    ["b", [{ start: 3, end: 3.5, speaker: "B" }]],
    ["c", []],
  ]);
});

test("what is written as rttm is read again", () => {
  const segments = [{ ...segment(0.25, 2, "<|en|>hello"), speaker: "Ann B" }];
  expect([...parseRttm(writeDocument("rttm", { file: "x/a b.wav", duration: 3, segments }), "x")]).toEqual([
    ["a_b", [{ start: 0.25, end: 2, speaker: "Ann_B" }]],
  ]);
});

test("regions by recording", () => {
  expect([...parseUem("a 1 0 10.5\n;\na 1 12 13\nb NA 1 2\n", "x")]).toEqual([
    [
      "a",
      [
        { start: 0, end: 10.5 },
        { start: 12, end: 13 },
      ],
    ],
    ["b", [{ start: 1, end: 2 }]],
  ]);
});

test.each([
  ["hello", 'expected SPEAKER or another type of RTTM, got "hello"'],
  ["SPEAKER a 1 0 1", 'expected at least 8 fields, the eighth of them a speaker, got "SPEAKER a 1 0 1"'],
  ["SPEAKER a 1 -1 1 <NA> <NA> A", 'expected start in seconds, 0 or more, got "-1"'],
  ["SPEAKER a 1 1 1e3 <NA> <NA> A", 'expected duration in seconds, 0 or more, got "1e3"'],
  ["SPEAKER a 1 1 . <NA> <NA> A", 'expected duration in seconds, 0 or more, got "."'],
])("%s is an error with file and line", (line, message) => {
  expect(() => parseRttm(`\n${line}\n`, "x.rttm")).toThrow(new SenseVoiceError(`x.rttm:2: ${message}`));
});

test.each([
  ["a 1 0", 'expected 4 fields: recording, channel, start and end, got "a 1 0"'],
  ["a 1 2 2", 'expected an end behind the start, 2, got "2"'],
  ["a 1 x 2", 'expected start in seconds, 0 or more, got "x"'],
])("regions: %s is an error with file and line", (line, message) => {
  expect(() => parseUem(line, "x.uem")).toThrow(new SenseVoiceError(`x.uem:1: ${message}`));
});
