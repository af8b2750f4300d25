import type { Segment } from "../speech/segment.ts";
import { WORD_MARK } from "./marks.ts";
import { characterTimes, type Span } from "./times.ts";
import { graphemes, LINE_WIDTH, textWidth } from "./width.ts";

/** How good a place to break is, from the best: behind a sentence, a clause, a word, within a CJK word, within any. */
export type Break = "sentence" | "clause" | "word" | "character" | "cut";

/** A piece of text that a line is not broken in: a word with its punctuation, or a CJK character. Milliseconds. */
export interface Atom extends Span {
  readonly text: string;
  /** Whether a space stands in front of it. */
  readonly spaced: boolean;
  /** Without the space. */
  readonly width: number;
  /** What a break in front of it would be. */
  readonly before: Break;
  /** Who says it, where that is known. */
  readonly speaker?: string;
}

const CJK = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Bopo}\p{sc=Yiii}\u3000-\u303f\u30a0-\u30ff\uff00-\uffef]/u;
const EMOJI = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u;
/** What belongs to the text before it, also over a space. */
const CLOSING = /^[\p{Pe}\p{Pf}!%,.:;?…–—、。，．！？：；\p{Extended_Pictographic}]/u;
/** In CJK text, what no line starts with, and what none ends with. Source: JIS X 4051 (kinsoku), Unicode Annex #14. */
const NOT_FIRST =
  /^[\p{Pe}\p{Pf}\p{Pd}"'!%,.:;?…‥·・、。，．！？：；～〜ー々〻ゝゞヽヾ％‰°℃ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰ-ㇿ]/u;
const NOT_LAST = /[\p{Ps}\p{Pi}"'$£¥€￥＄#@]$/u;
const CLOSERS = "[\\p{Pe}\\p{Pf}\"']*$";
const SENTENCE_END = new RegExp(`[.!?…。．！？]${CLOSERS}`, "u");
const CLAUSE_END = new RegExp(`[,;:，；：、—–]${CLOSERS}`, "u");

/** Particles and endings: a dictionary's words that belong to the word before. */
const ENCLITIC = /^[\p{sc=Hira}的地得了着过吗呢吧啊]/u;

const words = new Intl.Segmenter("en", { granularity: "word" });

/** The atoms of a segment's text as it is shown (one line, single spaces), and when they are spoken. */
export function atomsOf(text: string, segment: Segment): Atom[] {
  const wordStarts = new Set(Array.from(words.segment(text), ({ index }) => index));
  const pieces = split(text).flatMap(({ text: piece, at }) =>
    cut(piece).map((part) => ({ text: part.text, at: at + part.at, isCut: part.at > 0 })),
  );
  const spans = spansOf(text, pieces, segment);
  const speakers = speakersOf(spans, segment);
  return pieces.map(({ text: piece, at, isCut }, i) => {
    const spaced = text[at - 1] === " ";
    const previous = pieces[i - 1]?.text ?? "";
    const kind = (): Break => {
      if (isCut || CLOSING.test(piece) || isMark(piece)) return "cut";
      if (SENTENCE_END.test(previous)) return "sentence";
      if (CLAUSE_END.test(previous)) return "clause";
      return spaced || (wordStarts.has(at) && !ENCLITIC.test(piece)) ? "word" : "character";
    };
    return { text: piece, spaced, width: textWidth(piece), before: kind(), ...spans[i], speaker: speakers[i] };
  });
}

interface Piece {
  readonly text: string;
  /** Where it starts, in UTF-16 units. */
  readonly at: number;
}

/** Cuts a text wherever a line may be broken, and leaves the spaces out. */
function split(text: string): Piece[] {
  const pieces: { text: string; at: number }[] = [];
  const markEnds = new Map(Array.from(text.matchAll(WORD_MARK), ({ index, 0: mark }) => [index, index + mark.length]));
  let at = 0;
  let markEnd = 0;
  let previous = "";
  for (const grapheme of graphemes(text)) {
    const last = pieces.at(-1);
    const edge = previous === " " || markEnds.has(at);
    const joined = at < markEnd || !(edge || breakable(previous, grapheme));
    if (grapheme !== " ") {
      if (last && joined) last.text = text.slice(last.at, at + grapheme.length);
      else pieces.push({ text: grapheme, at });
    }
    markEnd = Math.max(markEnd, markEnds.get(at) ?? 0);
    at += grapheme.length;
    previous = grapheme;
  }
  return pieces;
}

/** Whether a line may be broken between two characters that no space parts. */
function breakable(before: string, after: string): boolean {
  if (NOT_FIRST.test(after) || NOT_LAST.test(before)) return false;
  if (/\p{Nd}$/u.test(before) && CJK.test(after)) return false; // 9点 stays together
  return [before, after].some((character) => CJK.test(character) || EMOJI.test(character));
}

/** Parts of a piece, each no wider than a line, with its words whole unless they are wider. */
function cut(piece: string): Piece[] {
  if (textWidth(piece) <= LINE_WIDTH) return [{ text: piece, at: 0 }];
  const runs = Array.from(words.segment(piece), ({ segment }) => segment);
  const parts: { text: string; at: number }[] = [{ text: "", at: 0 }];
  let width = 0;
  let at = 0;
  for (const run of runs.flatMap((run) => (textWidth(run) > LINE_WIDTH ? graphemes(run) : [run]))) {
    const added = textWidth(run);
    width += added;
    if (width > LINE_WIDTH) {
      parts.push({ text: "", at });
      width = added;
    }
    parts[parts.length - 1].text += run;
    at += run.length;
  }
  return parts;
}

/** When each piece is spoken; one that nobody speaks takes no time, next to the one before it, or the first one's start. */
function spansOf(text: string, pieces: readonly Piece[], segment: Segment): Span[] {
  const characters = [...text];
  const times = characterTimes(characters, segment);
  const byUnit = characters.flatMap((character, i) => Array<Span | null>(character.length).fill(times[i]));
  const spoken = pieces.map(({ text: piece, at }) =>
    byUnit.slice(at, at + piece.length).filter((time) => time !== null),
  );
  const first = spoken.find((own) => own.length > 0)?.[0];
  let last = first?.start ?? 0;
  return spoken.map((own) => {
    const start = own[0]?.start ?? last;
    last = own.at(-1)?.end ?? last;
    return { start, end: last };
  });
}

/** Who says each piece: who says the word in the middle of its time, or before it; where words know nobody, the segment's. */
function speakersOf(spans: readonly Span[], { words, speaker }: Segment): (string | undefined)[] {
  if (!words?.some((word) => word.speaker !== undefined)) return spans.map(() => speaker);
  return spans.map(({ start, end }) => {
    const said = words.findLast((word) => word.start < (start + end) / 2000) ?? words[0];
    return said.speaker ?? speaker;
  });
}

function isMark(text: string): boolean {
  return text.startsWith("[") && text.endsWith("]") && text.replace(WORD_MARK, "") === "";
}
