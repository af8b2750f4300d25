import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createEngine, readAudio } from "../../src/node.ts";
import { punctuate } from "../../src/speech/punctuation.ts";
import { sensevoice } from "../cli/sensevoice.ts";

/** Without the marks that may have been put in, in lower case. */
const plain = (text: string) => text.replace(/[,.?!;:…、。，．？！；：]/gu, "").toLowerCase();

describe("punctuation for what was said", () => {
  test.each([
    ["en", "see you at nine", "See you at 9.", "See you at nine."],
    ["en", "hello how are you i'm fine", "Hello, how are you? I'm fine.", "Hello, how are you? I'm fine."],
    [
      "a number in front of a mark",
      "it costs one hundred and thirty six dollars and five cents is that right",
      "It costs $136.05, is that right?",
      "It costs one hundred and thirty six dollars and five cents, is that right?",
    ],
    [
      "a number at the start",
      "nine people came they left",
      "9 people came. They left.",
      "nine people came. They left.",
    ],
    [
      "a time and a decimal number",
      "at nine thirty add three point five",
      "At 9:30, add 3.5.",
      "At nine thirty, add three point five.",
    ],
    ["words that were heard otherwise", "we want two go to rome", "We want to go to Rome.", "We want two go to Rome."],
    [
      "an apostrophe, a hyphen, an abbreviation",
      "it's five o'clock in new york mr smith",
      "It's 5 o'clock in New York, Mr. Smith.",
      "It's five o'clock in New York, Mr. Smith.",
    ],
    [
      "zh",
      "你好今天气温三十五度记得多喝水",
      "你好，今天气温35度，记得多喝水。",
      "你好，今天气温三十五度，记得多喝水。",
    ],
    ["zh, a number before the mark", "电话是幺三八请记下", "电话是138，请记下。", "电话是幺三八，请记下。"],
    ["zh with English", "我在用python写代码", "我在用Python写代码！", "我在用Python写代码！"],
    ["yue", "呢本书二十蚊你要唔要", "呢本书20蚊，你要唔要？", "呢本书二十蚊，你要唔要？"],
    ["ja", "明日は二百円ですね分かりました", "明日は200円ですね。分かりました。", "明日は二百円ですね。分かりました。"],
    [
      "ko, spaces that differ",
      "이 책은 오백사십오 원입니다 네",
      "이 책은 545원입니다. 네.",
      "이 책은 오백사십오 원입니다. 네.",
    ],
    ["tags in the middle", "<|en|>hello <|ja|>はい", "<|en|>Hello. <|ja|>はい。", "<|en|>Hello. <|ja|>はい。"],
    ["quotes are left out", "he said hello", "He said, “Hello.”", "He said, Hello."],
    ["nothing was said", "", "The.", ""],
    ["nothing is written", "hello there", "", "hello there"],
    ["marks alone are written", "hello", "。", "hello。"],
    ["marks that are there already stay, alone", "well, yes.", "Well. Yes!", "Well, Yes."],
  ])("%s: %s", async (_, spoken, written, expected) => {
    expect(await punctuate(spoken, written)).toBe(expected);
    expect(plain(expected)).toBe(plain(spoken));
  });

  test("nothing but marks and capitals ever changes", async () => {
    const unit = fc.constantFrom(
      ...[
        "hello",
        "World",
        "it's",
        "x-ray",
        "9",
        "3.5",
        "a.m",
        "é",
        "İ",
        "ß",
        "ǆ",
        "你",
        "好",
        "三",
        "か",
        "원",
        "𠮷",
        "👍",
      ],
      ...[" ", " ", "\u3000", ",", ".", "?", "。", "，", "“", "<|en|>", "…", "1,000", "'", "\u0301"],
    );
    const text = fc.array(unit, { maxLength: 25 }).map((units) => units.join(""));
    await fc.assert(
      fc.asyncProperty(text, text, async (spoken, written) => {
        expect(plain(await punctuate(spoken, written))).toBe(plain(spoken));
      }),
      { numRuns: 5000 },
    );
  });

  test("a written text that is the spoken one with marks and capitals comes back", async () => {
    const word = fc.constantFrom("we", "go", "to", "rome", "你", "好", "서울");
    const mark = fc.constantFrom("", "", ",", ".", "?");
    const sentence = fc.array(fc.tuple(word, mark, fc.boolean()), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(sentence, async (words) => {
        const spoken = words.map(([text]) => text).join(" ");
        const written = words.map(([text, mark, upper]) => (upper ? text.toUpperCase() : text) + mark).join(" ");
        expect(await punctuate(spoken, written)).toBe(written);
      }),
      { numRuns: 500 },
    );
  });

  test("texts of half an hour, out of step by a hundred words", async () => {
    const words = Array.from({ length: 9000 }, (_, i) => `w${(i * i) % 997}`);
    const written = words.map((word, i) => (i % 7 === 0 ? `${word},` : word));
    const spoken = [...words.slice(0, 3000), ...Array(100).fill("um"), ...words.slice(3000)];
    const expected = [...written.slice(0, 3000), ...Array(100).fill("um"), ...written.slice(3000)];
    expect(await punctuate(spoken.join(" "), written.join(" "))).toBe(expected.join(" "));
  });
});

test("200 clips: what is said with punctuation is what is said without, but for marks and capitals", async () => {
  const file = (name: string) => new URL(`../eval/${name}`, import.meta.url).pathname;
  const lines = readFileSync(file("manifest.jsonl"), "utf8").trim().split("\n");
  const paths = lines.map((line) => file(`${JSON.parse(line).key}.flac`));
  await using engine = await createEngine({ model: "tiny", device: "cpu" });
  let marked = 0;
  let capitals = 0;
  let figures = 0;
  for (let first = 0; first < paths.length; first += 20) {
    const sounds = await Promise.all(paths.slice(first, first + 20).map((path) => readAudio(path)));
    const spoken = await engine.runBatch(sounds, { timestamps: true });
    const written = await engine.runBatch(sounds, { itn: true });
    for (const [i, got] of (await engine.runBatch(sounds, { timestamps: true, punctuation: true })).entries()) {
      const { text, raw, timings, ...rest } = spoken[i];
      expect(got).toMatchObject(rest);
      expect(got.raw.replace(/[,.?!、。，？！]/gu, "").toLowerCase()).toBe(raw.toLowerCase());
      expect(got.text.replace(/[,.?!、。，？！]/gu, "").toLowerCase()).toBe(text.toLowerCase());
      marked += Number(/[.?!。？！]/u.test(got.text));
      capitals += Number(/[A-Z]/.test(got.text));
      figures += Number(/\d/.test(written[i].text) && !/\d/.test(got.text));
    }
  }
  console.info(`of 200 clips ${marked} have a full stop, ${capitals} a capital, ${figures} lost figures`);
  expect(marked).toBeGreaterThan(150);
  expect(capitals).toBeGreaterThan(30);
  expect(figures).toBeGreaterThan(20);
}, 300_000);

test("beside itn it is refused; on the command line too", async () => {
  await using engine = await createEngine({ model: "tiny", device: "cpu" });
  const both = engine.run(new Float32Array(16000), { itn: true, punctuation: true });
  await expect(both).rejects.toThrow("[engine] punctuation: expected no itn beside it");
  const command = ["--model", "tiny", "--device", "cpu", "samples/en.wav"];
  expect((await sensevoice([...command, "--punctuation", "--itn"])).stderr).toContain(
    "cannot be used with option '--itn'",
  );
  const [without, punctuated] = await Promise.all([sensevoice(command), sensevoice([...command, "--punctuation"])]);
  expect(punctuated.stdout).toMatch(/^[A-Z].*[.?!]/);
  expect(punctuated.stdout.replace(/[,.?!]/g, "").toLowerCase()).toBe(without.stdout.toLowerCase());
});
