import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readDataset } from "../../src/eval/dataset.ts";
import { evaluate } from "../../src/eval/evaluate.ts";
import { type Score, summarise } from "../../src/eval/summary.ts";
import { readTags } from "../../src/model/sensevoice/tags.ts";
import type { RunOptions, Transcript } from "../../src/node.ts";

interface Answer {
  readonly key: string;
  readonly raw: string;
  readonly tokens: number[];
}

const dir = new URL("../eval/", import.meta.url);
const clips = await readDataset(dir.pathname);
const answers = readFileSync(new URL("funasr.jsonl", dir), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Answer);

/** Instead of an engine: FunASR's answer to clip i, whose sound is one sample i. */
const asked: RunOptions[] = [];
const funasr = {
  async run([i]: Float32Array, options: RunOptions = {}): Promise<Transcript> {
    asked.push(options);
    const { raw, tokens } = answers[i];
    const timings = { features: 10, encode: 80, decode: 10, total: 100 };
    return { raw, tokens, ...readTags(raw), text: "", words: null, confidence: 1, duration: 2, timings };
  },
};
const read = async (source: string) => Float32Array.of(clips.findIndex((clip) => clip.source === source));

/** Substitutions, deletions, insertions and length by language. */
function rows(scores: readonly Score[], counted: "edits" | "characters") {
  return scores.map(({ language, [counted]: edits }) => {
    return [language, edits.substitutions, edits.deletions, edits.insertions, edits.length];
  });
}

/** The counts are jiwer's (4.0), the same normalisation written once more in Python. */
describe("FunASR's answers to the 200 clips", () => {
  test("texts as they are, in characters", async () => {
    const { results, failures } = await evaluate(funasr, clips, { read, normalise: false });
    const summary = summarise(results);
    expect(failures).toEqual([]);
    expect(rows(summary.scores, "characters")).toEqual([
      ["zh", 0, 1, 0, 352],
      ["en", 30, 67, 8, 1182],
      ["yue", 1, 0, 2, 262],
      ["ja", 1, 1, 1, 423],
      ["ko", 0, 2, 0, 265],
      ["nospeech", 0, 0, 0, 0],
      ["all", 32, 71, 11, 2484],
    ]);
    expect(summary).toMatchObject({
      language: { right: 200, of: 200 },
      emotion: { right: 195, of: 200 },
      event: { right: 198, of: 200 },
      ...{ sound: 400, rtf: 0.05 },
      seconds: { features: 2, encode: 16, decode: 2, total: 20 },
    });
  });

  test("normalised, in words where words are counted", async () => {
    const { results } = await evaluate(funasr, clips, { read });
    const { scores } = summarise(results);
    expect(rows(scores, "edits")).toEqual([
      ["zh", 0, 1, 0, 338],
      ["en", 23, 15, 1, 236],
      ["yue", 0, 0, 2, 246],
      ["ja", 1, 1, 1, 408],
      ["ko", 0, 2, 0, 256],
      ["nospeech", 0, 0, 0, 0],
      ["all", 24, 19, 4, 1484],
    ]);
    expect(rows(scores, "characters")[1]).toEqual(["en", 30, 68, 8, 1174]);
    expect(scores.map(({ unit }) => unit)).toEqual([
      "characters",
      "words",
      "characters",
      "characters",
      "characters",
      "words",
      "mixed",
    ]);
  });
});

test("what is asked: auto, one language for all, or the clip's own", async () => {
  const ask = async (language?: "auto" | "ja" | "manifest") => {
    asked.length = 0;
    const strange = { ...clips[1], language: "fr" };
    await evaluate(funasr, [clips[0], strange], { read, language });
    return asked;
  };
  expect(await ask()).toEqual([
    { language: "auto", itn: true },
    { language: "auto", itn: false },
  ]);
  expect(await ask("ja")).toMatchObject([{ language: "ja" }, { language: "ja" }]);
  expect(await ask("manifest")).toMatchObject([{ language: "zh" }, { language: "auto" }]);
});

test("a clip that fails is told apart, the rest goes on", async () => {
  const seen: unknown[] = [];
  const { results, failures } = await evaluate(funasr, clips.slice(0, 3), {
    async read(source) {
      if (source === clips[1].source) throw new Error("damaged");
      return read(source);
    },
    onClip: (done, failure) => seen.push([done, failure?.error.message]),
  });
  expect(results.map(({ key }) => key)).toEqual(["zh-000", "yue-002"]);
  expect(failures).toMatchObject([{ key: "en-001", source: clips[1].source }]);
  expect(seen).toEqual([
    [1, undefined],
    [2, "damaged"],
    [3, undefined],
  ]);
  expect(results[0]).toMatchObject({
    key: "zh-000",
    expected: { text: "贵阳周末下雪。", language: "zh", emotion: "happy", event: "speech" },
    got: { text: "贵阳周末下雪。", language: "zh", emotion: "happy", event: "speech" },
  });
});

test("no answers at all", () => {
  expect(summarise([])).toMatchObject({
    scores: [{ language: "all", clips: 0, errorRate: null }],
    ...{ sound: 0, rtf: null, language: { right: 0, of: 0 } },
  });
});
