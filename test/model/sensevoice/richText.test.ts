import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { richText } from "../../../src/model/sensevoice/richText.ts";

interface Golden {
  raw: string;
  /** What FunASR's rich_transcription_postprocess returned; it raised on none. */
  text: string;
}
const golden: Golden[] = readFileSync(new URL("../../golden/rich-text.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

test("agrees with FunASR", () => {
  expect(golden).toHaveLength(309);
  for (const { raw, text } of golden) expect(richText(raw), raw).toBe(text);
});

describe("one case of each rule (answers of FunASR)", () => {
  test.each([
    ["", ""],
    ["<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|woitn|>", ""],
    ["<|nospeech|><|Event_UNK|>", "❓"],
    ["<|en|><|HAPPY|><|Laughter|><|woitn|>good morning", "😀good morning😊"],
    // A tie with NEUTRAL is neutral, and a later emotion needs more than an earlier one.
    ["<|zh|><|NEUTRAL|><|SAD|>好", "好"],
    ["<|zh|><|SAD|><|HAPPY|>好", "好😊"],
    // Events go in front one after the other: the last of the list comes first.
    ["<|zh|><|BGM|><|Applause|><|Cough|>好", "🤧👏🎼好"],
    // An emotion that goes on is written once, an event in every second segment.
    ["<|zh|><|HAPPY|><|BGM|>一<|zh|><|HAPPY|><|BGM|>二<|zh|><|HAPPY|><|BGM|>三", "🎼一二🎼三😊"],
    ["The. cat", "cat"],
    // Python's strip() takes U+001F and leaves U+FEFF; trim() does the opposite.
    ["\x1fa\ufeff", "a\ufeff"],
  ])("%j", (raw, text) => {
    expect(richText(raw)).toBe(text);
  });
});
