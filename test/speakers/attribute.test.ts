import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readTags } from "../../src/model/sensevoice/tags.ts";
import { attribute } from "../../src/speakers/attribute.ts";
import type { Turn } from "../../src/speakers/turn.ts";
import type { Segment } from "../../src/speech/segment.ts";

interface Said {
  readonly tags: string;
  readonly text: string;
  readonly words: readonly (readonly [word: string, start: number, end: number])[];
  readonly body?: string;
  readonly logProbs?: readonly string[];
}

function segmentOf({ tags, text, words, body = text, logProbs }: Said): Segment {
  const raw = tags + body;
  const tagCount = tags.split("<|").length - 1;
  const tokenCount = logProbs?.length ?? words.length;
  return {
    start: words[0]?.[1] ?? 0,
    end: words.at(-1)?.[2] ?? 1,
    text,
    raw,
    ...readTags(raw),
    tokens: Array.from({ length: tagCount + tokenCount }, (_, i) => (i < tagCount ? 1000 + i : i - tagCount)),
    words: words.map(([word, start, end]) => ({ word, start, end, confidence: 0.5 })),
    confidence: 0.9,
    ...(logProbs && {
      logProbs: logProbs.map((token) => ({ token, logProb: -1, bytes: [...new TextEncoder().encode(token)] })),
    }),
  };
}

/** Words one behind the other, half a second each. */
const spoken = (words: readonly string[]) => words.map((word, i) => [word, i / 2, i / 2 + 0.4] as const);
const turns = (...rows: [number, number, number][]): Turn[] => {
  return rows.map(([start, end, speaker]) => ({ start, end, speaker }));
};
const texts = (segment: Segment, who: readonly Turn[]) => {
  return attribute(segment, who).map(({ speaker, segment: { text } }) => [speaker, text]);
};
const TAGS = "<|en|><|HAPPY|><|Speech|><|withitn|>";

describe("attribute", () => {
  test("a segment is divided at word times, and nothing of it is lost or said twice", () => {
    const segment = segmentOf({
      tags: "<|en|><|HAPPY|><|Laughter|><|withitn|>",
      text: "😀How are you? (Fine), thanks.😊",
      body: "How are you? (Fine), thanks.",
      words: spoken(["how", "are", "you", "fine", "thanks"]),
      logProbs: [" How", " are", " you", "?", " (", "F", "ine", ")", ",", " thanks", "."],
    });
    const parts = attribute(segment, turns([0, 1.45, 0], [1.45, 9, 1]));
    expect(parts.map(({ speaker }) => speaker)).toEqual([0, 1]);
    const [asks, answers] = parts.map((part) => part.segment);
    expect(asks).toMatchObject({
      text: "😀How are you?",
      raw: "<|en|><|HAPPY|><|Laughter|><|withitn|>How are you?",
      start: 0,
      end: 1.4,
      language: "en",
      emotion: "happy",
      events: ["laughter"],
      tokens: [1000, 1001, 1002, 1003, 0, 1, 2, 3],
    });
    expect(answers).toMatchObject({
      text: "(Fine), thanks.😊",
      raw: "<|en|><|HAPPY|><|Laughter|><|withitn|>(Fine), thanks.",
      start: 1.5,
      end: 2.4,
      emotion: "happy",
      tokens: [1000, 1001, 1002, 1003, 4, 5, 6, 7, 8, 9, 10],
    });
    expect(asks.words?.map(({ word }) => word)).toEqual(["how", "are", "you"]);
    expect(answers.words?.map(({ word }) => word)).toEqual(["fine", "thanks"]);
    expect(asks.logProbs?.map(({ token }) => token).join("")).toBe(" How are you?");
    expect(answers.logProbs?.map(({ token }) => token).join("")).toBe(" (Fine), thanks.");
    expect(asks.confidence).toBeCloseTo(0.5, 9);
  });

  test("Chinese, without spaces, and figures in place of words", () => {
    const chinese = segmentOf({ tags: "<|zh|>", text: "你好吗？我很好。", words: spoken([..."你好吗我很好"]) });
    expect(texts(chinese, turns([0, 1.45, 1], [1.45, 9, 0]))).toEqual([
      [1, "你好吗？"],
      [0, "我很好。"],
    ]);
    const figures = segmentOf({
      tags: TAGS,
      text: "It costs $25. That is cheap.",
      words: spoken(["it", "costs", "twenty", "five", "dollars", "that", "is", "cheap"]),
    });
    expect(texts(figures, turns([0, 2.45, 0], [2.45, 9, 1]))).toEqual([
      [0, "It costs $25."],
      [1, "That is cheap."],
    ]);
  });

  test("one speaker: the segment stays as it is", () => {
    const segment = segmentOf({ tags: TAGS, text: "Well then.", words: spoken(["well", "then"]) });
    const [part, ...none] = attribute(segment, turns([0, 2, 3], [5, 9, 1]));
    expect(none).toEqual([]);
    expect(part.speaker).toBe(3);
    expect(part.segment).toBe(segment);
    expect(attribute(segment, [])[0]).toEqual({ speaker: null, segment });
  });

  test("without word times the longest overlap wins", () => {
    const segment = { ...segmentOf({ tags: TAGS, text: "Well then.", words: [] }), words: null, start: 0, end: 6 };
    const who = turns([0, 1, 0], [1, 2.9, 1], [2.9, 3.5, 0]); // the reference says 0, whose overlap counts twice
    expect(attribute(segment, who)).toEqual([{ speaker: 1, segment }]);
    expect(attribute({ ...segment, words: [] }, who)[0].speaker).toBe(1);
  });

  test("a single short word of another is no turn, a longer one is", () => {
    const words = (end: number) =>
      segmentOf({
        tags: TAGS,
        text: "so we go home",
        words: [
          ["so", 0, 0.4],
          ["we", 0.5, end],
          ["go", 1, 1.4],
          ["home", 1.5, 1.9],
        ],
      });
    const who = turns([0, 0.45, 0], [0.45, 0.95, 1], [0.95, 2, 0]);
    expect(texts(words(0.75), who)).toEqual([[0, "so we go home"]]);
    expect(texts(words(0.9), who)).toEqual([
      [0, "so"],
      [1, "we"],
      [0, "go home"],
    ]);
  });

  test("a word between turns is whose turn was before, or comes first", () => {
    const segment = segmentOf({ tags: TAGS, text: "a b c d", words: spoken(["a", "b", "c", "d"]) });
    expect(texts(segment, turns([0.5, 0.9, 2], [1.5, 2, 1]))).toEqual([
      [2, "a b c"],
      [1, "d"],
    ]);
  });

  test("words that the text does not have are not parted from it", () => {
    const segment = segmentOf({ tags: TAGS, text: "Hello.", words: spoken(["hello", "um", "er", "ah"]) });
    const parts = attribute(segment, turns([0, 0.45, 0], [0.45, 9, 1]));
    expect(parts).toEqual([{ speaker: 1, segment }]);
  });

  const word = fc.constantFrom("hello", "thanks", "we", "今", "天", "好", "o'clock", "안녕", "A");
  const mark = fc.constantFrom("", "", "", ",", ".", "?", "。", "!");
  test("any words, any turns: parts joined are the whole; tags and their tokens on each; no tag in a text", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(word, mark), { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2 })), { maxLength: 8 }),
        fc.boolean(),
        (said, cuts, withLogProbs) => {
          const body = said.map(([word, mark]) => word + mark).join(" ");
          const segment = segmentOf({
            tags: TAGS,
            text: `${body}😊`,
            body,
            words: spoken(said.map(([word]) => word)),
            logProbs: withLogProbs ? said.flatMap(([word, mark]) => [` ${word}`, mark]).filter(Boolean) : undefined,
          });
          let at = 0;
          const who = cuts.map(([length, speaker]) => {
            const start = at;
            at += length / 10;
            return { start, end: at, speaker };
          });
          const parts = attribute(segment, who).map((part) => part.segment);
          const joined = (values: readonly string[]) => values.join("").replaceAll(" ", "");
          expect(joined(parts.map(({ text }) => text))).toBe(joined([segment.text]));
          expect(joined(parts.map(({ raw }) => raw.slice(TAGS.length)))).toBe(joined([body]));
          expect(parts.flatMap(({ words }) => words)).toEqual(segment.words);
          expect(parts.flatMap(({ tokens }) => tokens.slice(4))).toEqual(segment.tokens.slice(4));
          for (const [i, { text, raw, tokens, start, end, logProbs }] of parts.entries()) {
            expect(text).not.toMatch(/<\|/);
            expect(text).not.toBe("");
            expect(said.map(([word]) => word)).toContain(/^[^,.?。! ]+/.exec(text)?.[0].replace("😊", ""));
            expect(raw.startsWith(TAGS)).toBe(true);
            expect(tokens.slice(0, 4)).toEqual([1000, 1001, 1002, 1003]);
            expect(end).toBeGreaterThanOrEqual(start);
            if (i > 0) expect(start).toBeGreaterThanOrEqual(parts[i - 1].end);
            const own = logProbs?.map(({ token }) => token) ?? [text.replace("😊", "")];
            expect(joined(own)).toBe(joined([raw.slice(TAGS.length)]));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
