import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createEngine, type EngineOptions, readAudio } from "../src/node.ts";
import { describeGpu } from "./support/gpu.ts";

interface Answer {
  readonly key: string;
  readonly language: "auto";
  readonly use_itn: boolean;
  readonly tokens: number[];
  readonly raw: string;
  readonly text: string;
  readonly words: string[] | null;
  readonly timestamp: [number, number][] | null;
}

const file = (name: string) => new URL(`eval/${name}`, import.meta.url).pathname;
const answers = readFileSync(file("funasr.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Answer);

/** All 200 clips: what FunASR says, to the letter and to the millisecond. */
async function expectFunasr(options: EngineOptions): Promise<void> {
  await using engine = await createEngine({ model: "tiny", ...options });
  const got: unknown[] = [];
  for (const { key, language, use_itn } of answers) {
    const pcm = await readAudio(file(`${key}.flac`));
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

describe("200 clips", () => {
  test("CPU, f32", () => expectFunasr({ device: "cpu", weights: "f32" }), 600_000);
  test("reference", () => expectFunasr({ device: "reference" }), 1_200_000);
});
describeGpu("200 clips on WebGPU", () => {
  test("f32", () => expectFunasr({ device: "webgpu", weights: "f32" }), 1_200_000);
});
