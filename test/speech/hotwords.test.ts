import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countEdits } from "../../src/eval/align.ts";
import {
  createEngine,
  type Engine,
  type Hotword,
  type RunOptions,
  readAudio,
  type Transcript,
} from "../../src/node.ts";
import { sensevoice } from "../cli/sensevoice.ts";

const file = (name: string) => new URL(`../eval/${name}`, import.meta.url).pathname;
const readLines = <T>(name: string) =>
  readFileSync(file(name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
const truths = readLines<{ key: string; target: string }>("manifest.jsonl");
const funasr = readLines<{
  key: string;
  use_itn: boolean;
  language: RunOptions["language"];
  tokens: number[];
  text: string;
}>("funasr.jsonl");

/**
 * All words of the true texts that FunASR's text of the clip has fewer times: from three letters or two characters on,
 * without figures. Words as Intl.Segmenter finds them.
 */
const MISSED = [
  ..."drive seoul five play for thirty jones fly berlin will sunny temperature chicago eight four".split(" "),
  ..."nine two sixteen how are twenty 八十八 부산".split(" "),
];
/** Words that nobody says in these clips. */
const ABSENT: Hotword[] = [
  ...["kubernetes", "orange juice", "语音识别", "北京大学", "京都駅", "水曜会", "대전시", "사과주스"],
  { text: "SenseVoice", boost: 3 },
];

/** How often a text has a word: in Latin letters as a whole word. */
function countOf(text: string, word: string): number {
  const lower = text.toLowerCase();
  if (!/^[a-z]+$/.test(word)) return lower.split(word).length - 1;
  return lower.split(/[^a-z']+/).filter((found) => found === word).length;
}

let engine: Engine;
let sounds: Map<string, Float32Array>;
beforeAll(async () => {
  engine = await createEngine({ model: "tiny", device: "cpu", weights: "f32" });
  sounds = new Map(
    await Promise.all(funasr.map(async ({ key }) => [key, await readAudio(file(`${key}.flac`))] as const)),
  );
});
afterAll(() => engine.close());

const soundOf = (key: string) => sounds.get(key) ?? new Float32Array(0);
const withoutTimings = ({ timings, ...rest }: Transcript) => rest;

/** The clip as FunASR was asked about it, with hotwords. */
function run(key: string, options: RunOptions): Promise<Transcript> {
  const asked = funasr.find((answer) => answer.key === key);
  return engine.run(soundOf(key), { language: asked?.language, itn: asked?.use_itn, ...options });
}

describe("hotwords on 200 clips", () => {
  interface Counts {
    missed: number;
    found: number;
    tokens: number;
    changed: number;
  }

  test("half of the missed words and more are found; clips without them change in at most 0.1 % of tokens", async () => {
    const halves: Counts[] = [0, 1].map(() => ({ missed: 0, found: 0, tokens: 0, changed: 0 }));
    for (const [i, { key, target }] of truths.entries()) {
      const counts = halves[i < 100 ? 0 : 1];
      const before = funasr[i];
      const after = await run(key, { hotwords: MISSED });
      for (const word of MISSED) {
        const [said, heard, now] = [target, before.text, after.text].map((text) => countOf(text, word));
        counts.missed += Math.max(said - heard, 0);
        counts.found += Math.max(said - heard, 0) - Math.max(said - now, 0);
      }
      if (MISSED.some((word) => countOf(target, word) > 0)) continue;
      counts.tokens += before.tokens.length;
      const { substitutions, deletions, insertions } = countEdits(before.tokens, after.tokens);
      counts.changed += substitutions + deletions + insertions;
    }
    const [chosenOn, other] = halves;
    console.info("hotwords, clips 0 to 99, on which the boost was chosen:", chosenOn, "the others:", other);
    for (const { missed, found, tokens, changed } of halves) {
      expect(missed).toBeGreaterThan(8);
      expect(tokens).toBeGreaterThan(1000);
      expect(found / missed).toBeGreaterThanOrEqual(0.5);
      expect(changed / tokens).toBeLessThanOrEqual(0.001);
    }
  }, 300_000);

  test("words that nobody says change nothing at all", async () => {
    for (const { key, tokens } of funasr) expect((await run(key, { hotwords: ABSENT })).tokens, key).toEqual(tokens);
  }, 300_000);
});

describe("hotwords", () => {
  test("are heard in place of what sounds like them, in every language", async () => {
    for (const [key, word, text] of [
      ["en-066", "Jones", "miss jones is waiting outside"],
      ["en-121", "chicago", "it will snow in chicago today"],
      ["en-151", "berlin", "It will be very cold in Berlin tomorrow.😊"],
      ["en-106", "temperature", "set the temperature to twenty seven degrees"],
      ["zh-050", "三个", "我想买三个苹果。😊"],
      ["yue-157", "八十八蚊", "呢张飞八十八蚊"],
      ["ja-093", "夜四時", "月曜日の夜四時に帰ります"],
      ["ko-194", "부산", "어제 부산 날씨는 나빠요."],
    ]) {
      const before = funasr.find((answer) => answer.key === key);
      const [got] = [await run(key, { hotwords: [word] })];
      expect(got.text, key).toContain(text);
      expect(before?.text, key).not.toContain(text);
    }
  });

  test("word times, confidence and tokens are those of the new text; the batch does not matter", async () => {
    const keys = ["en-066", "en-121", "ko-194", "zh-000"];
    const options: RunOptions = { hotwords: ["jones", "chicago", "부산"], timestamps: true };
    const batch = await engine.runBatch(keys.map(soundOf), options);
    for (const [i, key] of keys.entries()) {
      const alone = await engine.run(soundOf(key), options);
      expect(withoutTimings(batch[i])).toEqual(withoutTimings(alone));
      const { words, text, confidence, duration } = alone;
      expect((words ?? []).map(({ word }) => word).join("")).toBe(text.replace(/[ 😊😔😡]/gu, ""));
      let end = 0;
      for (const word of words ?? []) {
        expect(word.start).toBeGreaterThanOrEqual(end);
        expect(word.end).toBeGreaterThan(word.start);
        end = word.end;
      }
      expect(end).toBeLessThanOrEqual(duration + 0.06); // a row is 60 ms
      expect(confidence).toBeGreaterThan(0);
      expect(confidence).toBeLessThan(1);
    }
    const [jones] = (batch[0].words ?? []).filter(({ word }) => word.startsWith("jones"));
    expect(jones.confidence).toBeLessThan(0.9); // the model was not sure of it
    expect(withoutTimings(batch[3])).toEqual(withoutTimings(await engine.run(soundOf("zh-000"), { timestamps: true })));
  });

  test("a larger boost hears a word that a smaller one does not", async () => {
    const hear = async (boost: number) => (await run("zh-050", { hotwords: [{ text: "三个", boost }] })).text;
    expect(await hear(0.01)).toContain("我想买个苹果");
    expect(await hear(3)).toContain("我想买三个苹果");
  });

  test("a list that is empty changes nothing, and a list may change between runs", async () => {
    const hotwords: string[] = [];
    const hear = async () => (await run("en-066", { hotwords })).text;
    expect(await hear()).toContain("miss js");
    hotwords.push("jones");
    expect(await hear()).toContain("miss jones");
    hotwords.pop();
    expect(await hear()).toContain("miss js");
  });

  test("with languages, a second hearing prefers the words too", async () => {
    const { text, language } = await engine.run(soundOf("ko-194"), { languages: ["ja"], hotwords: ["부산"] });
    expect(language).toBe("ja");
    expect(text.length).toBeGreaterThan(0);
  });

  test("what is no list of words, no boost, or cannot be spelled is refused", async () => {
    const refused = async (hotwords: unknown, message: string) => {
      const options = { hotwords } as RunOptions;
      await expect(engine.run(soundOf("zh-000"), options)).rejects.toThrow(`[engine] hotwords: ${message}`);
    };
    await refused("jones", 'expected a list of words, got "jones"');
    await refused([7], "expected words, or objects with a text, got 7");
    await refused([null], "expected words, or objects with a text, got null");
    await refused([" "], 'expected words, got " "');
    await refused([{ text: "a", boost: 0 }], 'expected for "a" a boost above 0, at most 100, got 0');
    await refused([{ text: "a", boost: Number.NaN }], 'expected for "a" a boost above 0, at most 100, got null');
    await refused(["jones", "ж𠮷a"], 'the vocabulary cannot spell "ж𠮷a": it has no ж 𠮷');
  });
});

describe("command line", () => {
  const transcribe = (...args: string[]) =>
    sensevoice(["--model", "tiny", "--device", "cpu", ...args, file("en-066.flac"), file("en-121.flac")]);
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "hotwords-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("--hotwords and --hotwords-file", async () => {
    const list = join(folder, "words.txt");
    writeFileSync(list, "\ufeffjones\t2\r\n\r\nsingapore\n");
    const { stdout } = await transcribe("--hotwords", "orange juice,Chicago", "--hotwords-file", list);
    expect(stdout).toMatch(/miss jones is.*\n.*snow in chicago today/);
    expect((await transcribe()).stdout).toMatch(/miss js is.*\n.*snow in cago today/);
  });

  test("a file that is none, or has no boost behind the tab", async () => {
    const missing = await transcribe("--hotwords-file", join(folder, "none.txt"));
    expect(missing.stderr).toMatch(
      /^error: option '--hotwords-file <file>' .*none.txt' is invalid. ENOENT: no such .*\n$/,
    );
    expect(missing.status).toBe(1);
    const list = join(folder, "wrong.txt");
    writeFileSync(list, "jones\nmiss\tmuch\n");
    const wrong = await transcribe("--hotwords-file", list);
    expect(wrong.stderr).toContain(`wrong.txt' is invalid. line 2: expected a boost above 0, got "much"`);
  });
});
