import { ctcForcedAlign, type TokenSpan, tokenSpans } from "./alignment.ts";
import { BLANK } from "./ctc.ts";
import { PROMPT_ROWS } from "./prompt.ts";
import type { Heard } from "./recognizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A word (of a script without spaces, a character or two) and when it was spoken. */
export interface Word {
  readonly word: string;
  /** Seconds from the start of the sound, in whole milliseconds. */
  readonly start: number;
  readonly end: number;
  /** Geometric mean of the confidences of the word's tokens, in [0, 1]. */
  readonly confidence: number;
  /** Who speaks it, as in `Segment.speaker`: absent if speakers were not asked for, or if nobody is known to. */
  readonly speaker?: string;
}

/**
 * The words of a clip and their times: the transcript's tokens aligned with the rows of speech.
 * @param raw the clip's transcript, tags included
 */
export async function alignWords(tokenizer: Tokenizer, heard: Heard, raw: string): Promise<Word[]> {
  const { pieces, ids } = alignmentTargets(tokenizer, raw);
  const symbols = Uint32Array.from(new Set([BLANK, ...ids]));
  const speech = heard.ids.subarray(PROMPT_ROWS);
  const alignment = await ctcForcedAlign(
    {
      blankIsBest: Uint8Array.from(speech, (id) => Number(id === BLANK)),
      symbols,
      scores: (first, rows) => heard.logProbsOf(symbols, PROMPT_ROWS + first, rows),
    },
    ids,
  );
  return groupWords(pieces, tokenSpans(alignment, ids));
}

/** Id that the reference aligns a piece with which encodes to nothing: `▁` in the real vocabulary. */
const EMPTY_PIECE_ID = 124;

/**
 * What to align with the sound: the pieces of the raw transcript after its four tags, and their ids. Each piece
 * is encoded on its own, as in the reference, so that there may be more ids than pieces.
 */
export function alignmentTargets(tokenizer: Tokenizer, raw: string): { pieces: string[]; ids: Int32Array } {
  const pieces = tokenizer.encodePieces(raw).slice(PROMPT_ROWS);
  const ids = pieces.flatMap((piece) => {
    const encoded = tokenizer.encode(piece);
    return encoded.length > 0 ? encoded : [EMPTY_PIECE_ID];
  });
  return { pieces, ids: Int32Array.from(ids) };
}

/**
 * Joins pieces into words: `▁` in front starts a word, ASCII letters go on with the word before them, anything
 * else is a word of its own, `▁` alone is passed over. Pieces without a span and spans without a piece are left
 * out. A first piece keeps its `▁`. Source: `post` in funasr/models/sense_voice/model.py.
 */
export function groupWords(pieces: readonly string[], spans: readonly TokenSpan[]): Word[] {
  const words: { word: string; spans: TokenSpan[] }[] = [];
  for (const [i, span] of spans.slice(0, pieces.length).entries()) {
    const piece = pieces[i];
    const last = words.at(-1);
    if (piece === "▁") continue;
    if (i > 0 && piece.startsWith("▁")) words.push({ word: piece.slice(1), spans: [span] });
    else if (last && isLetters(last.word) && isLetters(piece)) {
      last.word += piece;
      last.spans.push(span);
    } else words.push({ word: piece, spans: [span] });
  }
  return words.map(({ word, spans }) => ({
    word,
    start: wholeMilliseconds(spans[0].start),
    end: wholeMilliseconds(spans[spans.length - 1].end),
    confidence: Math.exp(spans.reduce((sum, { confidence }) => sum + Math.log(confidence), 0) / spans.length),
  }));
}

function isLetters(text: string): boolean {
  return /^[A-Za-z]+$/.test(text);
}

/** Seconds cut to whole milliseconds as by int(seconds · 1000) in Python: 2.01 · 1000 is just below 2010. */
function wholeMilliseconds(seconds: number): number {
  return Math.trunc(seconds * 1000) / 1000;
}
