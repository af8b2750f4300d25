import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Prompt, SpokenLanguage } from "../../src/model/sensevoice/prompt.ts";
import type { Heard } from "../../src/model/sensevoice/recognizer.ts";
import { createEngine, type Engine, readAudio } from "../../src/node.ts";
import { askAgain } from "../../src/speech/languages.ts";
import { sensevoice } from "../cli/sensevoice.ts";

const tags = new Map(["nospeech", "zh", "en", "yue", "ja", "ko"].map((name, i) => [name, 100 + i]));
const idOf = (name: string): number => tags.get(name) ?? Number.NaN;

/** An answer that names a language in row 0, which finds the languages as probable as told. */
function answer(named: string, probabilities: Readonly<Record<string, number>> = {}, text = 5): Heard {
  const logProbs = new Map(Object.entries(probabilities).map(([name, p]) => [idOf(name), Math.log(p)]));
  return {
    ids: Float32Array.of(idOf(named), 0, 0, 0, text),
    logProbs: new Float32Array(5),
    top: new Float32Array(10),
    logProbsOf: async (tokens, first, rows) => {
      expect([first, rows]).toEqual([0, 1]);
      return Float32Array.from(tokens, (token) => logProbs.get(token) ?? -20);
    },
  };
}

/** The languages named, those asked for in the second round, and all answers. */
async function ask(languages: readonly SpokenLanguage[], heard: Heard[], again: Heard[] = []) {
  const asked: string[] = [];
  const prompts = heard.map((_, rows): Prompt => {
    return { language: "auto", itn: true, features: { rows, data: new Float32Array(0) } };
  });
  const hear = async (prompts: readonly Prompt[]) => {
    asked.push(...prompts.map(({ language, itn, features }) => `${features.rows} ${language} ${itn}`));
    return again;
  };
  const result = await askAgain(languages, { prompts, heard, hear, tags });
  return { named: result.map(({ ids }) => [...tags].find(([, id]) => id === ids[0])?.[0]), asked, result };
}

describe("answers in some languages only", () => {
  test("an answer in one of them, or that nobody speaks, stays as it is, and nothing is asked again", async () => {
    const heard = [answer("zh"), answer("nospeech"), answer("en")];
    const { result, asked } = await ask(["zh", "en"], heard);
    expect(result).toEqual(heard);
    expect(asked).toEqual([]);
  });

  test("where another is named the most probable one of the list is asked for, with the rest of the prompt", async () => {
    const second = answer("en", {}, 6);
    const heard = [answer("zh"), answer("yue", { yue: 0.6, nospeech: 0.3, en: 0.06, zh: 0.04 })];
    const { result, asked } = await ask(["zh", "en"], heard, [second]);
    expect(result).toEqual([heard[0], second]);
    expect(asked).toEqual(["1 en true"]);
  });

  test("if the second answer names another one all the same, the name is replaced, its probability too", async () => {
    const { named, result } = await ask(["zh", "en"], [answer("ja", { zh: 0.1 })], [answer("yue", { zh: 0.25 }, 7)]);
    expect(named).toEqual(["zh"]);
    expect([...result[0].ids.subarray(1)]).toEqual([0, 0, 0, 7]);
    expect(result[0].logProbs[0]).toBeCloseTo(Math.log(0.25), 6);
  });

  test("the second answer may be another one of the list, or that nobody speaks", async () => {
    const heard = [answer("ja", { zh: 0.1 }), answer("ko", { en: 0.1 })];
    expect((await ask(["zh", "en"], heard, [answer("en"), answer("nospeech")])).named).toEqual(["en", "nospeech"]);
  });
});

describe("clips in five languages", () => {
  const file = (name: string) => new URL(`../eval/${name}`, import.meta.url).pathname;
  const keys = readFileSync(file("manifest.jsonl"), "utf8")
    .trim()
    .split("\n")
    .slice(0, 40)
    .map((line) => JSON.parse(line).key);
  let engine: Engine;
  let clips: Float32Array[];
  beforeAll(async () => {
    engine = await createEngine({ model: "tiny", device: "cpu" });
    clips = await Promise.all(keys.map((key) => readAudio(file(`${key}.flac`))));
  });
  afterAll(() => engine.close());

  test.each<{ languages: SpokenLanguage[] }>([
    { languages: ["zh", "en"] },
    { languages: ["ko", "yue"] },
    { languages: ["ja"] },
    { languages: ["ja", "zh", "yue"] },
  ])(
    "$languages: none is named but these and nospeech, and what was one of them stays",
    async ({ languages }) => {
      let others = 0;
      for (let first = 0; first < clips.length; first += 20) {
        const batch = clips.slice(first, first + 20);
        const free = await engine.runBatch(batch);
        for (const [i, { timings, ...got }] of (await engine.runBatch(batch, { languages })).entries()) {
          const { timings: _, ...expected } = free[i];
          const allowed = [...languages, "nospeech"];
          if (allowed.includes(expected.language)) expect(got).toEqual(expected);
          else others++;
          const named = [...got.raw.matchAll(/<\|(zh|en|yue|ja|ko|nospeech)\|>/g)].map(([, name]) => name);
          expect(named).toEqual([got.language]);
          expect(allowed).toContain(got.language);
        }
      }
      expect(others).toBeGreaterThan(10);
    },
    120_000,
  );

  test("a language is heard as when it is asked for", async () => {
    const [english] = clips.slice(1);
    const [{ timings, ...got }, { timings: _, ...asked }] = [
      await engine.run(english, { languages: ["ja"], timestamps: true }),
      await engine.run(english, { language: "ja", timestamps: true }),
    ];
    const text = (raw: string) => raw.replace(/^<\|\w+\|>/, "");
    expect({ ...got, raw: text(got.raw), tokens: got.tokens.slice(1) }).toEqual({
      ...asked,
      language: "ja",
      raw: text(asked.raw),
      tokens: asked.tokens.slice(1),
    });
  });

  test("a list that is none, and a language beside it, are refused", async () => {
    const refused = async (options: object, message: string) => {
      await expect(engine.run(clips[0], options)).rejects.toThrow(`[engine] languages: expected ${message}`);
    };
    const some = "a list of some of zh, en, yue, ja, ko, got";
    await refused({ languages: [] }, `${some} none`);
    await refused({ languages: "zh" }, `${some} "zh"`);
    await refused({ languages: ["zh", "fr"] }, `${some} "fr"`);
    await refused({ languages: ["nospeech"] }, `${some} "nospeech"`);
    await refused({ languages: ["zh"], language: "en" }, 'no language beside it, got "en"');
    expect((await engine.run(clips[0], { languages: ["zh"], language: "auto" })).language).toBe("zh");
  });
});

describe("command line", () => {
  const run = (...args: string[]) => sensevoice(["--model", "tiny", "--device", "cpu", ...args, "samples/yue.wav"]);

  test("--languages zh,en", async () => {
    const { stdout } = await run("--languages", "zh, en", "--format", "json");
    expect(["zh", "en"]).toContain(JSON.parse(stdout).language);
  });

  test("one that is none, and --language beside it", async () => {
    expect((await run("--languages", "zh,xx")).stderr).toMatch(/'zh,xx' is invalid. expected some of zh, en, yue/);
    expect((await run("--languages", "zh", "--language", "en")).stderr).toMatch(/'--languages <list>' cannot be used/);
  });
});
