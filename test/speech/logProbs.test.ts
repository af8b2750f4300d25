import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine, type RunOptions, readAudio, type Transcript } from "../../src/node.ts";

const folder = fileURLToPath(new URL("../eval/", import.meta.url));
/** Every eighth clip: 25, of all languages and of none. */
const names = readdirSync(folder).filter((name) => name.endsWith(".flac"));
const TAG = /<\|\w+\|>/g;

let engine: Engine;
let clips: Float32Array[];
beforeAll(async () => {
  engine = await createEngine({ model: "tiny", device: "cpu" });
  clips = await Promise.all(names.filter((_, i) => i % 8 === 0).map((name) => readAudio(folder + name)));
});
afterAll(() => engine.close());

/** What the tokens are of, but for a space in front. */
function expectText({ logProbs = [], confidence }: Pick<Transcript, "logProbs" | "confidence">, raw: string): void {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(
    Uint8Array.from(logProbs.flatMap(({ bytes }) => bytes)),
  );
  expect(text.trimStart()).toBe(raw.replace(TAG, "").trimStart());
  for (const { token, bytes, logProb } of logProbs) {
    expect(token).toBe(new TextDecoder().decode(Uint8Array.from(bytes)));
    expect(logProb).toBeLessThanOrEqual(0);
  }
  const sum = logProbs.reduce((total, { logProb }) => total + logProb, 0);
  expect(Math.exp(sum / Math.max(logProbs.length, 1))).toBeCloseTo(confidence, 6);
}

describe("log-probabilities of tokens", () => {
  test.each<[string, RunOptions]>([
    ["as it comes", {}],
    ["with figures and marks", { itn: true }],
    ["with hotwords", { hotwords: ["开放时间", "tomorrow", "weather"] }],
  ])("%s: their bytes are the text, their mean is the confidence", async (_, options) => {
    const heard = await engine.runBatch(clips, { ...options, logProbs: true });
    expect(heard).toHaveLength(25);
    for (const transcript of heard) expectText(transcript, transcript.raw);
    const languages = new Set(heard.map(({ language }) => language));
    expect(languages.size).toBeGreaterThan(4);
    const spaced = heard.filter(({ language }) => language === "en");
    expect(spaced[0].logProbs?.some(({ token }) => token.startsWith(" "))).toBe(true);
    expect(heard.flatMap(({ logProbs }) => logProbs ?? []).some(({ bytes }) => bytes.length === 3)).toBe(true);
  });

  test("hotwords that are heard bring their own", async () => {
    const clip = await readAudio(`${folder}en-066.flac`);
    const plain = await engine.run(clip, { logProbs: true });
    const hot = await engine.run(clip, { logProbs: true, hotwords: ["jones"] });
    expect([plain.raw.includes("miss jones"), hot.raw.includes("miss jones")]).toEqual([false, true]);
    expectText(hot, hot.raw);
  });

  test("with punctuation they are those of what was spoken", async () => {
    const spoken = await engine.runBatch(clips, { logProbs: true });
    const punctuated = await engine.runBatch(clips, { logProbs: true, punctuation: true });
    for (const [i, { logProbs = [] }] of punctuated.entries()) {
      expectText(punctuated[i], spoken[i].raw);
      expect(logProbs.map(({ token }) => token)).toEqual(spoken[i].logProbs?.map(({ token }) => token));
    }
    expect(punctuated.some(({ raw }, i) => raw !== spoken[i].raw)).toBe(true);
  });

  test("segments and live results have them if asked for, and nothing has them unless", async () => {
    const [clip] = clips;
    const cut = { vad: "energy" } as const;
    for (const logProbs of [true, undefined, false]) {
      const stream = engine.stream({ ...cut, logProbs });
      void stream.write(clip);
      stream.end();
      const heard = [await engine.run(clip, { logProbs })];
      const segments = [];
      for await (const segment of engine.transcribe(clip, { ...cut, logProbs })) segments.push(segment);
      for await (const result of stream) segments.push(result);
      expect(segments.length).toBeGreaterThan(1);
      for (const said of [...heard, ...segments]) {
        expect("logProbs" in said).toBe(logProbs === true);
        if (logProbs) expectText(said, said.raw);
      }
    }
  });
});
