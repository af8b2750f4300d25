import { describe, expect, test } from "vitest";
import { characters, normalise, unitOf, withoutTags, words } from "../../src/eval/normalise.ts";

test.each([
  ["Ａｂｃ　１２３", "abc 123"],
  ["ｶﾀｶﾅ", "カタカナ"],
  ["Hello, World!", "hello world"],
  ["开放时间：早上9点。", "开放时间 早上9点"],
  ["Don’t say 'rock 'n' roll'", "don't say rock n roll"],
  ["twenty-one", "twenty one"],
  ["祝你生日快乐😊", "祝你生日快乐"],
  ["👨‍👩‍👧 ❤️ ok 3️⃣", "ok 3"],
  ["ラーメン々", "ラーメン々"],
  ["$5 + 5 %", "5 5"],
  ["हिन्दी", "हिन्दी"],
  ["각", "각"],
  ["…", ""],
])("normalise %s", (text, expected) => {
  expect(normalise(text)).toBe(expected);
  expect(normalise(expected)).toBe(expected);
});

test.each([
  ["<|zh|><|HAPPY|><|Speech|><|withitn|>贵阳", "贵阳"],
  ["<|en|><|NEUTRAL|><|Speech|><|woitn|>one<|en|><|NEUTRAL|><|Speech|><|woitn|>two", "one two"],
  ["<|nospeech|><|EMO_UNKNOWN|><|BGM|><|woitn|>", ""],
  ["a < b |> c", "a < b |> c"],
])("without tags: %s", (raw, expected) => expect(withoutTags(raw)).toBe(expected));

describe("units", () => {
  test("of languages", () => {
    expect(["zh", "yue", "ja", "ko", "en", "de", "nospeech"].map(unitOf)).toEqual([
      ...["characters", "characters", "characters", "characters"],
      ...["words", "words", "words"],
    ]);
  });

  test("words", () => expect(words(" one\ttwo \n three ")).toEqual(["one", "two", "three"]));

  test("characters are code points; spaces count where words do", () => {
    expect(characters("好 𠮷", "zh")).toEqual(["好", "𠮷"]);
    expect(characters("안녕 하세요", "ko")).toEqual([..."안녕하세요"]);
    expect(characters(" a b ", "en")).toEqual(["a", " ", "b"]);
    expect(characters("", "en")).toEqual([]);
  });
});
