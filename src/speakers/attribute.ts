import type { Word } from "../model/sensevoice/words.ts";
import { characterTimes } from "../output/times.ts";
import type { Segment } from "../speech/segment.ts";
import type { Turn } from "./turn.ts";
import { longestOverlap } from "./turns.ts";

/** What one speaker says of a segment; null: nobody's turn is there. */
export interface Part {
  readonly speaker: number | null;
  readonly segment: Segment;
}

/** A single word shorter than this, in seconds, between two of another speaker's is that one's. */
const FLICKER = 0.3;

/** Turns farther from a segment than this, in seconds, have none of its words. */
const NEAR = 1;

/** Words in a row of one speaker: [first, last). */
interface Run {
  readonly speaker: number | null;
  readonly first: number;
  readonly last: number;
}

/**
 * A segment divided among its speakers at word times: each word is said by whose turns overlap it longest. A segment of one
 * speaker, or without words, stays as it is. Of the parts,
 * - `text` joined is the whole text: emoji of events stay at its beginning, that of the emotion at its end;
 * - `raw` has the leading tags on each; language, emotion and events are the segment's;
 * - `tokens` have those of the leading tags on each; the others are divided where `logProbs` tells which text each has, else in
 *   proportion to the text, which may be a token off;
 * - `confidence` is that of the words.
 * A place where no text can be told between two speakers' words is not divided.
 */
export function attribute(segment: Segment, all: readonly Turn[]): Part[] {
  const words = segment.words ?? [];
  const turns = all.filter(({ start, end }) => start < segment.end + NEAR && end > segment.start - NEAR);
  const whole = (speaker: number | null): Part[] => [{ speaker, segment }];
  if (words.length === 0) return whole(longestOverlap(segment, turns));
  const runs = divisible(runsOf(words, turns), segment, turns);
  if (runs.length === 1) return whole(runs[0].speaker);
  const tags = /^(?:<\|[^|]*\|>)*/.exec(segment.raw)?.[0] ?? "";
  const body = segment.raw.slice(tags.length);
  const texts = divided(segment.text, placesOf(segment.text, words, runs));
  const raws = divided(body, placesOf(body, words, runs));
  const tokens = dividedTokens(segment, tags, body, placesOf(body, words, runs));
  return runs.map(({ speaker, first, last }, i) => {
    const own = words.slice(first, last);
    const part: Segment = {
      ...segment,
      start: i === 0 ? segment.start : own[0].start,
      end: i === runs.length - 1 ? segment.end : Math.min(own[own.length - 1].end, words[last].start),
      text: texts[i],
      raw: tags + raws[i],
      words: own,
      confidence: Math.exp(own.reduce((sum, { confidence }) => sum + Math.log(confidence), 0) / own.length),
      ...tokens[i],
    };
    return { speaker, segment: part };
  });
}

function runsOf(words: readonly Word[], turns: readonly Turn[]): Run[] {
  const speakers = words.map(({ start, end }) => longestOverlap({ start, end: Math.max(end, start + 0.001) }, turns));
  // Who speaks before or behind a pause between turns also speaks a word in it.
  for (let i = 1; i < speakers.length; i++) speakers[i] ??= speakers[i - 1];
  for (let i = speakers.length - 2; i >= 0; i--) speakers[i] ??= speakers[i + 1];
  for (let i = 1; i + 1 < speakers.length; i++) {
    const isAlone = speakers[i] !== speakers[i - 1] && speakers[i - 1] === speakers[i + 1];
    if (isAlone && words[i].end - words[i].start < FLICKER) speakers[i] = speakers[i - 1];
  }
  const runs: Run[] = [];
  for (const [i, speaker] of speakers.entries()) {
    const last = runs.at(-1);
    if (last && last.speaker === speaker) runs[runs.length - 1] = { ...last, last: i + 1 };
    else runs.push({ speaker, first: i, last: i + 1 });
  }
  return runs;
}

/** Runs that each have text of their own: others are joined to the one before, under whom most of both belongs to. */
function divisible(runs: readonly Run[], { text, words }: Segment, turns: readonly Turn[]): Run[] {
  const all = words ?? [];
  const joined = [...runs];
  for (;;) {
    const empty = divided(text, placesOf(text, all, joined)).indexOf("");
    if (empty < 0 || joined.length === 1) return joined;
    const at = Math.max(1, empty);
    const { first } = joined[at - 1];
    const { last } = joined[at];
    const speaker = longestOverlap({ start: all[first].start, end: all[last - 1].end }, turns);
    joined.splice(at - 1, 2, { speaker, first, last });
  }
}

/** What belongs to the words behind it. */
const OPENING = /[\p{Ps}\p{Pi}¿¡$£€¥￥]/u;

/** What is spoken of a text: marks may stand in it that no word has. */
const SPOKEN = /[\p{L}\p{N}\p{M}]/u;
/** What is not parted from its like: all but the scripts that are written without spaces. */
const IN_WORD = /(?=[\p{L}\p{N}\p{M}'’])[^\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}]/u;

/** Where each run but the first begins in a text, in code points. */
function placesOf(text: string, words: readonly Word[], runs: readonly Run[]): number[] {
  const characters = [...text];
  const spoken = [...characters.keys()].filter((i) => SPOKEN.test(characters[i]));
  // In place of a time a word has its number: so each character gets that of the word it is in.
  const numbered = words.map((word, i) => ({
    ...word,
    word: word.word.replace(/[^\p{L}\p{N}\p{M}]/gu, ""),
    start: i,
    end: i + 1,
  }));
  const letters = spoken.map((i) => characters[i]);
  const numbers = characterTimes(letters, { start: 0, end: words.length, words: numbered });
  let last = 0;
  return runs.slice(1).map(({ first }) => {
    const found = numbers.findIndex((number) => number !== null && number.start >= first * 1000);
    let at = found < 0 ? characters.length : spoken[found];
    while (at > 0 && at < characters.length && IN_WORD.test(characters[at - 1]) && IN_WORD.test(characters[at])) at--;
    while (at > 0 && OPENING.test(characters[at - 1])) at--;
    last = Math.max(at, last);
    return last;
  });
}

/** A text in parts, without the spaces where it is divided. */
function divided(text: string, places: readonly number[]): string[] {
  const characters = [...text];
  return [0, ...places].map((from, i) => {
    const part = characters.slice(from, places[i] ?? characters.length).join("");
    return places.length === 0 ? part : part.trim();
  });
}

/** The tokens of each part, and their log-probabilities where there are any. */
function dividedTokens(
  { tokens, logProbs }: Segment,
  tags: string,
  body: string,
  places: readonly number[],
): Pick<Segment, "tokens" | "logProbs">[] {
  const tagCount = logProbs ? tokens.length - logProbs.length : Math.min(tags.split("<|").length - 1, tokens.length);
  const own = tokens.slice(tagCount);
  const size = (text: string) => new TextEncoder().encode(text).length;
  const sizes = own.map((_, i) => logProbs?.[i].bytes.length ?? 1);
  const total = sizes.reduce((sum, length) => sum + length, 0);
  const characters = [...body];
  // Both say the same but for a space in front, or for marks that were put in.
  const ends = places.map((place) => (total * size(characters.slice(0, place).join(""))) / size(body));
  let at = 0;
  const partOf = sizes.map((length) => {
    const middle = at + length / 2;
    at += length;
    const part = ends.findIndex((end) => middle < end);
    return part < 0 ? places.length : part;
  });
  return [0, ...places].map((_, part) => ({
    tokens: [...tokens.slice(0, tagCount), ...own.filter((_, i) => partOf[i] === part)],
    ...(logProbs && { logProbs: logProbs.filter((_, i) => partOf[i] === part) }),
  }));
}
