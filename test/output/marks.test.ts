import { expect, test } from "vitest";
import { textOf } from "../../src/output/format.ts";
import { MARKS } from "../../src/output/marks.ts";
import { segment } from "./segment.ts";

const forms = (raw: string) => MARKS.map((marks) => textOf(marks)(segment(0, 1, raw)));

test.each([
  [
    "<|en|><|HAPPY|><|Laughter|><|woitn|>good morning",
    "😀good morning😊",
    "[laughter] good morning [happy]",
    "good morning",
  ],
  ["<|zh|><|HAPPY|><|Laughter|><|woitn|>祝你生日快乐", "😀祝你生日快乐😊", "[笑声]祝你生日快乐[开心]", "祝你生日快乐"],
  ["<|yue|><|SAD|><|Speech|><|woitn|>听日返工", "听日返工😔", "听日返工[伤心]", "听日返工"],
  ["<|ja|><|ANGRY|><|BGM|><|woitn|>明日", "🎼明日😡", "[音楽]明日[怒り]", "明日"],
  ["<|ko|><|NEUTRAL|><|Applause|><|woitn|>오늘 서울", "👏오늘 서울", "[박수] 오늘 서울", "오늘 서울"],
  ["<|en|><|NEUTRAL|><|Speech|><|woitn|>nothing special", "nothing special", "nothing special", "nothing special"],
  ["<|nospeech|><|EMO_UNKNOWN|><|Applause|><|woitn|>", "👏", "[applause]", ""],
  // The emoji of a cough is that of a sneeze; breath and singing have none.
  ["<|en|><|NEUTRAL|><|Cough|><|woitn|>well", "🤧well", "[cough] well", "well"],
  ["<|en|><|NEUTRAL|><|Breath|><|woitn|>well", "well", "[breath] well", "well"],
])("%s", (raw, ...expected) => {
  expect(forms(raw)).toEqual(expected);
});

test("marks of music and applause are in the language that was spoken last", () => {
  const show = textOf("words");
  const raws = ["<|nospeech|><|BGM|>", "<|ko|>오늘", "<|nospeech|><|BGM|>"];
  expect(raws.map((raw) => show(segment(0, 1, raw)))).toEqual(["[music]", "오늘", "[음악]"]);
});
