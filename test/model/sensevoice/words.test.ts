import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Heard } from "../../../src/model/sensevoice/recognizer.ts";
import { createTokenizer } from "../../../src/model/sensevoice/tokenizer.ts";
import { alignmentTargets, alignWords, groupWords } from "../../../src/model/sensevoice/words.ts";

// What FunASR's post() makes of timed pieces, made by fixtures/words.py.
const golden: { timed: [string, number, number][]; words: string[]; timestamp: [number, number][] }[] = readFileSync(
  new URL("./fixtures/words.jsonl", import.meta.url),
  "utf8",
)
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

const span = (confidence: number) => ({ start: 0, end: 0.03, confidence });

describe("groupWords", () => {
  test("agrees with FunASR", () => {
    expect(golden.length).toBeGreaterThanOrEqual(100);
    for (const { timed, words, timestamp } of golden) {
      const got = groupWords(
        timed.map(([piece]) => piece),
        timed.map(([, start, end]) => ({ start, end, confidence: 1 })),
      );
      expect(got).toEqual(
        words.map((word, i) => ({
          word,
          start: timestamp[i][0] / 1000,
          end: timestamp[i][1] / 1000,
          confidence: 1,
        })),
      );
    }
  });

  test("a word's confidence is the geometric mean of its tokens'", () => {
    const [word] = groupWords(["mor", "ning"], [span(0.25), span(1)]);
    expect(word.word).toBe("morning");
    expect(word.confidence).toBe(0.5);
    expect(groupWords(["a", "b"], [span(0), span(1)])[0].confidence).toBe(0);
  });

  test("pieces without a span and spans without a piece are left out", () => {
    expect(groupWords(["你", "好"], [span(1)]).map(({ word }) => word)).toEqual(["你"]);
    expect(groupWords(["你"], [span(1), span(1)]).map(({ word }) => word)).toEqual(["你"]);
    expect(groupWords([], [])).toEqual([]);
  });
});

describe("alignmentTargets", () => {
  const tokenizer = createTokenizer(readFileSync(new URL("./fixtures/tiny.bpe.model", import.meta.url)));

  test("drops the header and gives each piece its id", () => {
    const { pieces, ids } = alignmentTargets(tokenizer, "<|en|><|HAPPY|><|Speech|><|woitn|>the time");
    expect(pieces.slice(0, 1)).toEqual(["the"]);
    expect([...ids].map((id) => tokenizer.piece(id))).toEqual(pieces);
    expect(pieces.join("")).toBe("the▁time");
  });

  test("a space on its own, which encodes to nothing, is 124 as in the reference", () => {
    const { pieces, ids } = alignmentTargets(tokenizer, "<|zh|><|SAD|><|Speech|><|woitn|>今 天");
    expect(pieces).toEqual(["今", "▁", "天"]);
    expect(ids[1]).toBe(124);
  });

  test("a text of nothing but tags, or less, has no targets", () => {
    expect(alignmentTargets(tokenizer, "<|zh|><|SAD|><|Speech|><|woitn|>")).toEqual({
      pieces: [],
      ids: new Int32Array(0),
    });
    expect(alignmentTargets(tokenizer, "").pieces).toEqual([]);
  });
});

test("words are aligned with the rows behind the prompt's; the blank is sure where it is best of all", async () => {
  const tokenizer = createTokenizer(readFileSync(new URL("./fixtures/tiny.bpe.model", import.meta.url)));
  const raw = "<|en|><|HAPPY|><|Speech|><|woitn|>the";
  const [the] = alignmentTargets(tokenizer, raw).ids;
  const asked: unknown[] = [];
  // ln p of the blank and of "the" in three rows of speech: it is spoken in the second.
  const scores = Float32Array.of(-0.9, -0.95, -2, -0.1, -0.9, -3);
  const heard: Heard = {
    ids: Float32Array.of(1, 2, 3, 4, 0, the, 0),
    logProbs: new Float32Array(7),
    top: new Float32Array(14),
    logProbsOf: async (tokens, first, rows) => {
      asked.push([[...tokens], first, rows]);
      return scores;
    },
  };
  const [word, ...others] = await alignWords(tokenizer, heard, raw);
  expect(others).toEqual([]);
  expect(word).toMatchObject({ word: "the", start: 0.03, end: 0.09 });
  expect(word.confidence).toBeCloseTo(Math.exp(-0.1), 6);
  expect(asked).toEqual([[[0, the], 4, 3]]);
});
