import fc from "fast-check";
import type { Word } from "../../src/model/sensevoice/words.ts";
import type { Segment } from "../../src/speech/segment.ts";

const oneOf = (...values: string[]) => fc.constantFrom(...values);
const from = (characters: string) => fc.constantFrom(...characters);
const run = (character: fc.Arbitrary<string>, max: number) =>
  fc.array(character, { minLength: 1, maxLength: max }).map((parts) => parts.join(""));

const LATIN = from("abcdefghijklmnopqrstuvwxyzABCDEéüßñ");
const TOKEN = fc.oneof(
  { weight: 6, arbitrary: run(LATIN, 10) },
  { weight: 6, arbitrary: run(from("今天我们来讨论一下明年的预算然后大家可以提问时间九点至下午"), 12) },
  { weight: 4, arbitrary: run(from("あいうえおっゃょコンピューターミティグ行会時々"), 12) },
  { weight: 3, arbitrary: run(from("오늘서울날씨는추워요안녕하세"), 6) },
  { weight: 2, arbitrary: run(from("שלוםעולםمرحبابالعالم"), 9) },
  { weight: 2, arbitrary: run(from("0123456789"), 6) },
  { weight: 1, arbitrary: run(LATIN, 120) },
  { weight: 1, arbitrary: fc.array(run(LATIN, 10), { minLength: 2, maxLength: 12 }).map((parts) => parts.join("/")) },
  {
    weight: 1,
    arbitrary: oneOf("$45.20", "don't", "e-mail", "a/b", "<i>", "&amp;", "{\\an8}", "-->", "\\N", "[music]"),
  },
);
const PUNCTUATION = fc.oneof(
  { weight: 5, arbitrary: oneOf(",", ".", "?", "!", "，", "。", "？", "、", "…") },
  { weight: 1, arbitrary: oneOf("」", "）", ")", '"', "「", "（", "(", "——", "・", "！！！", ":", "%") },
);
const GAP = oneOf(" ", " ", " ", "", "", "  ", "\n", "\t");
const EMOJI = oneOf("😊", "👏", "😔", "🎼", "👨‍👩‍👧", "🇨🇳", "❤️", "e\u0301");

/** Words with the punctuation behind them and the space that follows, if any. */
const PIECE = fc.tuple(
  fc.oneof(
    { weight: 20, arbitrary: TOKEN },
    { weight: 1, arbitrary: EMOJI },
    { weight: 1, arbitrary: oneOf("\0", "\u200b") },
  ),
  fc.option(PUNCTUATION, { nil: "", freq: 4 }),
  GAP,
);

/** Where a segment's words come from: its text's pieces with random times, those in disorder, another text's, nowhere. */
const WORDS = fc.constantFrom("own", "own", "own", "own", "disorder", "other", "empty", "none");

const LENGTH = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1500, max: 30_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 1500 }) },
  { weight: 1, arbitrary: fc.constant(0) },
);

const DRAFT = fc.record({
  gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4000 })),
  length: LENGTH,
  pieces: fc.oneof(
    { weight: 5, arbitrary: fc.array(PIECE, { maxLength: 25 }) },
    { weight: 1, arbitrary: fc.array(PIECE, { maxLength: 120 }) },
  ),
  words: WORDS,
  /** Of each piece: the pause before it and how long it lasts, in parts of what the segment has. */
  pauses: fc.array(fc.constantFrom<number>(0, 0, 0, 0, 1, 5), { minLength: 1, maxLength: 20 }),
  lasts: fc.array(fc.constantFrom<number>(0, 1, 1, 2, 3), { minLength: 1, maxLength: 20 }),
  language: oneOf("zh", "en", "yue", "ja", "ko", "nospeech", "unknown"),
  emotion: fc.constantFrom<Segment["emotion"]>("neutral", "happy", "angry", "unknown"),
  events: fc.subarray<Segment["events"][number]>(["speech", "laughter", "bgm", "cough", "unknown"]),
});

/** Segments of a recording, in order, in every script; and how many seconds it lasts. */
export const recordings = fc
  .tuple(fc.array(DRAFT, { minLength: 1, maxLength: 6 }), fc.integer({ min: 0, max: 3000 }))
  .map(([drafts, rest]) => {
    let time = 0;
    const segments = drafts.map(({ gap, length, pieces, words, pauses, lasts, ...tags }): Segment => {
      const start = time + gap;
      time = start + length;
      const tokens = pieces.flatMap(([token, punctuation]) => (punctuation === "" ? [token] : [token, punctuation]));
      const parts = tokens.flatMap((_, i) => [pauses[i % pauses.length], lasts[i % lasts.length]]);
      const unit =
        length /
        Math.max(
          1,
          parts.reduce((sum, part) => sum + part, 0),
        );
      const at = (part: number) =>
        Math.floor(start + unit * parts.slice(0, part).reduce((sum, p) => sum + p, 0)) / 1000;
      const own = (): Word[] =>
        tokens.map((word, i) => ({ word, start: at(2 * i + 1), end: at(2 * i + 2), confidence: 1 }));
      const disorder = own().map((word, i) => ({ ...word, start: word.start + ((i * 7) % 5) - 2, end: word.end + 1 }));
      const other = own().map((word) => ({ ...word, word: "Другие" }));
      return {
        ...{ ...tags, start: start / 1000, end: time / 1000, raw: "", tokens: [], confidence: 1 },
        text: pieces.map((piece) => piece.join("")).join(""),
        words: { own: own(), disorder, other, empty: [], none: null }[words],
      };
    });
    return { segments, duration: (time + rest) / 1000 };
  });
