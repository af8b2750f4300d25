import type { Segment } from "../speech/segment.ts";
import { milliseconds } from "./clock.ts";
import { WORD_MARK } from "./marks.ts";
import { graphemeWidth } from "./width.ts";

/** From when to when something is spoken, in milliseconds. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Characters that must agree before text and words are taken to be in step again, and how far apart they may be. */
const AGREEING = 3;
const FARTHEST = 200;

/**
 * When each character (code point) of a text is spoken; null for what nobody speaks, as punctuation and emoji. Where
 * the segment's words are found in the text their times count, equally shared by their characters; time between them
 * goes to the letters and figures between them by width. Times stay within the segment and never go back. A text of marks
 * alone lasts as long as the segment.
 */
export function characterTimes(
  characters: readonly string[],
  segment: Pick<Segment, "start" | "end" | "words">,
): (Span | null)[] {
  const from = milliseconds(segment.start);
  const to = Math.max(from, milliseconds(segment.end));
  const isMark = marked(characters);
  const times = wordTimes(characters, isMark, segment);
  let last = from;
  for (const [i, time] of times.entries()) {
    if (time === null) continue;
    const start = Math.min(Math.max(time.start, last), to);
    last = Math.min(Math.max(time.end, start), to);
    times[i] = { start, end: last };
  }
  let weights = characters.map((character, i) =>
    !isMark[i] && /[\p{L}\p{N}]/u.test(character) ? graphemeWidth(character) : 0,
  );
  if (times.every((time) => time === null) && weights.every((weight) => weight === 0))
    weights = characters.map(() => 1);
  for (let first = 0; first < times.length; first++) {
    if (times[first]) continue;
    let next = first + 1;
    while (next < times.length && times[next] === null) next++;
    share(times, weights, { first, next, start: times[first - 1]?.end ?? from, end: times[next]?.start ?? to });
    first = next;
  }
  return times;
}

/** Gives each character of a run without times its share of the time there is. */
function share(
  times: (Span | null)[],
  weights: readonly number[],
  { first, next, start, end }: Span & { readonly first: number; readonly next: number },
): void {
  const total = weights.slice(first, next).reduce((sum, weight) => sum + weight, 0);
  const at = (weight: number) => Math.round(start + ((end - start) * weight) / total);
  for (let i = first, before = 0; i < next; before += weights[i], i++) {
    if (weights[i] > 0) times[i] = { start: at(before), end: at(before + weights[i]) };
  }
}

/** Which characters belong to a mark in words, as `[laughter]`. */
function marked(characters: readonly string[]): boolean[] {
  return [...characters.join("").replace(WORD_MARK, (mark) => "\0".repeat([...mark].length))].map((c) => c === "\0");
}

/**
 * Times of the characters that are found in the words. Both say the same but for spaces, marks, figures and punctuation;
 * where they differ, they go on from the nearest place at which a few characters agree.
 */
function wordTimes(
  characters: readonly string[],
  isMark: readonly boolean[],
  { words }: Pick<Segment, "words">,
): (Span | null)[] {
  const times: (Span | null)[] = characters.map(() => null);
  const text = characters.flatMap((character, at) =>
    isMark[at] || character === " " ? [] : [{ character: character.toLowerCase(), at }],
  );
  const spoken = (words ?? []).flatMap(({ word, start, end }) => {
    const parts = [...word.replace(/[\s▁]/gu, "")];
    const at = (i: number) => milliseconds(start + ((end - start) * i) / parts.length);
    return parts.map((part, i) => ({ character: part.toLowerCase(), start: at(i), end: at(i + 1) }));
  });
  const agree = (i: number, j: number): boolean => {
    let count = 0;
    while (count < AGREEING && text[i + count] && text[i + count].character === spoken[j + count]?.character) count++;
    return count === AGREEING || (count > 0 && (i + count >= text.length || j + count >= spoken.length));
  };
  for (let i = 0, j = 0; i < text.length && j < spoken.length; i++, j++) {
    if (text[i].character !== spoken[j].character) {
      const step = nearest((skipped, passed) => agree(i + skipped, j + passed));
      if (step === null) break;
      i += step[0];
      j += step[1];
    }
    times[text[i].at] = { start: spoken[j].start, end: spoken[j].end };
  }
  return times;
}

function nearest(agree: (skipped: number, passed: number) => boolean): [skipped: number, passed: number] | null {
  for (let distance = 1; distance <= FARTHEST; distance++) {
    for (let skipped = 0; skipped <= distance; skipped++) {
      if (agree(skipped, distance - skipped)) return [skipped, distance - skipped];
    }
  }
  return null;
}
