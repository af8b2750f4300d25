import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createEngine, type EngineOptions, type RunOptions, readAudio, type SpokenLanguage } from "../src/node.ts";
import { describeGpu } from "./support/gpu.ts";
import { TOLERANCE } from "./support/tolerances.ts";

interface Answer {
  readonly key: string;
  readonly language: RunOptions["language"];
  readonly use_itn: boolean;
  readonly tokens: number[];
  /** The smallest gap, over the rows, between the two best log-probabilities. */
  readonly margin: number;
  readonly raw: string;
  readonly text: string;
  readonly words: string[] | null;
  readonly timestamp: [number, number][] | null;
}

const file = (name: string) => new URL(name, import.meta.url).pathname;
const readLines = <T>(name: string) =>
  readFileSync(file(name), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
const answers = readLines<Answer>("eval/funasr.jsonl");

/** All 200 clips: what FunASR says, to the letter and to the millisecond. */
async function expectFunasr(options: EngineOptions): Promise<void> {
  await using engine = await createEngine({ model: "tiny", ...options });
  const got: unknown[] = [];
  for (const { key, language, use_itn } of answers) {
    const pcm = await readAudio(file(`eval/${key}.flac`));
    const { raw, text, tokens, words } = await engine.run(pcm, { language, itn: use_itn, timestamps: true });
    got.push({
      key,
      tokens,
      raw,
      text,
      words: words?.map(({ word }) => word),
      timestamp: words?.map(({ start, end }) => [Math.round(start * 1000), Math.round(end * 1000)]),
    });
  }
  const expected = answers.map(({ key, tokens, raw, text, words, timestamp }) => {
    return { key, tokens, raw, text, words: words ?? [], timestamp: timestamp ?? [] };
  });
  expect(expected).toHaveLength(200);
  expect(got).toEqual(expected);
}

test("no token of the 200 clips hangs on rounding: gaps are wider than errors of log-probabilities may be", () => {
  const smallest = Math.min(...answers.map(({ margin }) => margin));
  expect(smallest).toBe(0.0038); // docs/numerics.md
  expect(smallest).toBeGreaterThan(2 * TOLERANCE.logProbWebgpu);
});

test("the samples are heard as samples/expected.jsonl says", async () => {
  const samples = readLines<{ file: string; use_itn: boolean; raw: string; text: string; seconds: number }>(
    "../samples/expected.jsonl",
  );
  await using engine = await createEngine({ model: "tiny", device: "cpu" });
  for (const { file: name, use_itn, seconds, ...expected } of samples) {
    const pcm = await readAudio(file(`../samples/${name}`));
    const { raw, text, duration } = await engine.run(pcm, { itn: use_itn });
    expect({ raw, text }, name).toEqual(expected);
    expect(Math.round(duration * 100) / 100, name).toBe(seconds);
  }
  expect(samples).toHaveLength(11);
});

/** All 200 clips: none but these languages and nospeech is ever named, and each answer's text has no tag of another. */
async function expectLanguages(languages: SpokenLanguage[]): Promise<void> {
  await using engine = await createEngine({ model: "tiny", device: "cpu" });
  const named = new Set<string>();
  for (let first = 0; first < answers.length; first += 20) {
    const keys = answers.slice(first, first + 20).map(({ key }) => file(`eval/${key}.flac`));
    const results = await engine.runBatch(await Promise.all(keys.map((key) => readAudio(key))), { languages });
    for (const { raw } of results) {
      for (const [, tag] of raw.matchAll(/<\|(zh|en|yue|ja|ko|nospeech)\|>/g)) named.add(tag);
    }
  }
  expect([...named].sort()).toEqual([...languages, "nospeech"].sort());
}

describe("200 clips", () => {
  test.each<{ languages: SpokenLanguage[] }>([
    { languages: ["zh", "en"] },
    { languages: ["ko", "yue"] },
    { languages: ["ja"] },
    { languages: ["ja", "zh", "yue"] },
  ])("$languages: no other language is named", ({ languages }) => expectLanguages(languages), 600_000);
  test("CPU, f32", () => expectFunasr({ device: "cpu", weights: "f32" }), 600_000);
  test("reference", () => expectFunasr({ device: "reference" }), 1_200_000);
});
describeGpu("200 clips on WebGPU", () => {
  test("f32", () => expectFunasr({ device: "webgpu", weights: "f32" }), 1_200_000);
});
