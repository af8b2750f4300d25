import { describe, expect, test } from "vitest";
import type { Heard } from "../../../src/output/heard.ts";
import { parseRules } from "../../../src/output/inspect/rules.ts";
import { heard, segment, wordsAt } from "../heard.ts";

/** What a rule of one condition finds: `start-end before[match]after`. */
function find(condition: string, recording: Heard): string[] {
  const [rule] = parseRules(`- name: it\n  ${condition}`, "rules.yaml");
  return rule
    .find(recording)
    .map(({ start, end, before, match, after }) => `${start}-${end} ${before}[${match}]${after}`);
}

/** What keywords find in a text: the parts that fit. */
function matches(keywords: string, text: string): string[] {
  return find(`keyword: ${keywords}`, heard(5, segment(1, 4, text))).map((hit) => /\[(.*)\]/.exec(hit)![1]);
}

describe("keywords", () => {
  test("of letters are whole words in any case", () => {
    expect(matches("sorry", "Sorry, sorryful unsorry SORRY")).toEqual(["Sorry", "SORRY"]);
    expect(matches("été", "L'été, étés")).toEqual(["été"]);
    expect(matches("'45'", "145 45 $45 4.45")).toEqual(["45", "45", "45"]);
  });

  test("of letters may stand beside Chinese", () => expect(matches("sorry", "我很sorry啊")).toEqual(["sorry"]));

  test("of Chinese, Japanese and Korean characters fit anywhere", () => {
    expect(matches("[抱歉, 죄송, すみません]", "非常抱歉的 죄송합니다 どうもすみませんでした")).toEqual([
      "抱歉",
      "죄송",
      "すみません",
    ]);
  });

  test("of several words fit over any space, and either apostrophe", () => {
    expect(matches("I'm  not", "i’m not here")).toEqual(["i’m not"]);
  });

  test("mean themselves, whatever signs they have", () => {
    expect(matches("['$45', 'c++', '(a|b)']", "$45 c+++ c++ (a|b) ab")).toEqual(["$45", "c++", "c++", "(a|b)"]);
  });

  test("between slashes are regular expressions with their own flags", () => {
    expect(matches("'/refund(ed)?/i'", "Refunded refund")).toEqual(["Refunded", "refund"]);
    expect(matches("'/refund/'", "Refund refund")).toEqual(["refund"]);
    expect(matches("'/x*/'", "axxb")).toEqual(["xx"]);
  });

  test("that overlap give the first, and of those the longest", () => {
    expect(matches("[refund, '/refund(ed)? now/', now]", "refund now")).toEqual(["refund now"]);
  });

  test("are not sought in tags", () => {
    const raw = "<|en|><|HAPPY|><|Speech|><|woitn|>good day";
    expect(matches("[HAPPY, Speech, en]", "good day")).toEqual([]);
    expect(find("keyword: good", heard(1, segment(0, 1, "", { raw })))).toEqual(["0-1 [good] day"]);
  });

  test("have the time of their words, wherever those have their spaces", () => {
    const words = wordsAt(10, 0.5, "▁i", "am", "sosorry", "about", "that");
    const said = segment(10, 14, "i am so sorry about that", { words });
    expect(find("keyword: sorry", heard(20, said))).toEqual(["11-11.5 i am so [sorry] about that"]);
    expect(find("keyword: sorry about", heard(20, said))).toEqual(["11-12 i am so [sorry about] that"]);
    const chinese = segment(3, 5, "我很抱歉", { words: wordsAt(3, 0.5, "我", "很", "抱", "歉") });
    expect(find("keyword: 抱歉", heard(20, chinese))).toEqual(["4-5 我很[抱歉]"]);
  });

  test("have the segment's time where there are no words, or other words", () => {
    for (const words of [null, [], wordsAt(10, 1, "so", "sorry", "sir")]) {
      expect(find("keyword: sorry", heard(20, segment(10, 14, "so sorry", { words })))).toEqual(["10-14 so [sorry]"]);
    }
  });

  test("come with no more than 40 characters on each side", () => {
    const [hit] = find("keyword: here", heard(1, segment(0, 1, `${"left ".repeat(20)}here${" right".repeat(20)}`)));
    expect(hit).toBe(`0-1 …${"left ".repeat(7)}[here]${" right".repeat(6)}…`);
    expect(find("keyword: 这", heard(1, segment(0, 1, `${"😀".repeat(50)}这`)))).toEqual([
      `0-1 …${"😀".repeat(40)}[这]`,
    ]);
  });
});

const moods = heard(
  10,
  segment(1, 2, "one", { emotion: "angry" }),
  segment(3, 4, "", { emotion: "unknown", events: ["bgm", "laughter"] }),
  segment(5, 6, "three", { emotion: "sad", events: ["laughter"] }),
);

test("emotions and events are whole segments; without words the events are named", () => {
  expect(find("emotion: angry", moods)).toEqual(["1-2 [one]"]);
  expect(find("emotion: [sad, angry]", moods)).toEqual(["1-2 [one]", "5-6 [three]"]);
  expect(find("event: laughter", moods)).toEqual(["3-4 [(bgm, laughter)]", "5-6 [three]"]);
});

describe("silence", () => {
  test("is between segments, before the first and after the last", () => {
    expect(find("silence: '>= 1 s'", moods)).toEqual([
      "0-1 [(silence, 1.0 s)] one",
      "2-3 one [(silence, 1.0 s)] ",
      "4-5  [(silence, 1.0 s)] three",
      "6-10 three [(silence, 4.0 s)]",
    ]);
  });

  test("is the whole recording where nothing is heard", () => {
    expect(find("silence: '> 1 min'", heard(60.5))).toEqual(["0-60.5 [(silence, 60.5 s)]"]);
  });

  test.each([
    [">= 1 s", 3],
    ["> 1 s", 1],
    ["<= 1000 ms", 2],
    ["< 0.5 min", 3],
  ])("%s", (limit, count) => {
    // 0.3 - 0.2 and 1.3 - 0.3 are not exactly what they look like.
    const recording = heard(4, segment(0, 0.3, "a"), segment(1.3, 1.4, "b"), segment(2.4, 2.5, "c"));
    expect(find(`silence: '${limit}'`, recording)).toHaveLength(count);
  });

  test("is not inside a segment that others overlap", () => {
    expect(find("silence: '> 0 s'", heard(9, segment(0, 8, "a"), segment(1, 2, "b")))).toEqual([
      "8-9 b [(silence, 1.0 s)]",
    ]);
  });
});

test("speech rate is of segments in its unit that last a second or more", () => {
  const recording = heard(
    20,
    segment(0, 2, "one two three four five"),
    segment(3, 5, "one two three"),
    segment(6, 6.9, "one two three four five"),
    segment(7, 9, "一二三四五六 ok"),
  );
  expect(find("speechRate: '> 2 words/s'", recording)).toEqual(["0-2 (2.5 words/s) [one two three four five]"]);
  expect(find("speechRate: '<= 90 words/min'", recording)).toEqual(["3-5 (1.5 words/s) [one two three]"]);
  expect(find("speechRate: '>= 3.5 characters/s'", recording)).toEqual(["7-9 (3.5 characters/s) [一二三四五六 ok]"]);
});
