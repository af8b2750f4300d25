import { type Heard, type HeardSegment, plainText, toMilliseconds } from "../heard.ts";
import { countUnits, LETTER } from "./units.ts";

/** Where something was found: seconds, what was said, and the words around it. */
export interface Hit {
  readonly start: number;
  readonly end: number;
  readonly before: string;
  readonly match: string;
  readonly after: string;
  /** Who says it, where that is known. */
  readonly speaker?: string;
}

/** Looks for one thing in a recording. */
export type Find = (heard: Heard) => Hit[];

/** Whether a measure is what a rule looks for. */
export type Limit = (value: number) => boolean;

/** How many characters are shown on each side of a hit, and of a segment that is one. */
const AROUND = 40;

/** Segments with one of the emotions. */
export function findEmotion(names: readonly string[]): Find {
  return ({ segments }) => segments.filter(({ emotion }) => names.includes(emotion)).map((segment) => whole(segment));
}

/** Segments with one of the events. */
export function findEvent(names: readonly string[]): Find {
  return ({ segments }) => {
    return segments
      .filter(({ events }) => events.some((name) => names.includes(name)))
      .map((segment) => whole(segment));
  };
}

/** Each place in a segment's text where a pattern fits; of two that overlap the first, of those the longer. */
export function findKeyword(patterns: readonly RegExp[]): Find {
  return ({ segments }) =>
    segments.flatMap((segment) => {
      const text = plainText(segment.raw);
      const places = patterns
        .flatMap((pattern) => [...text.matchAll(pattern)])
        .map(({ 0: match, index }) => ({ from: index, to: index + match.length }))
        .sort((a, b) => a.from - b.from || b.to - a.to);
      let end = 0;
      const hits: Hit[] = [];
      for (const { from, to } of places) {
        if (from < end || to === from) continue;
        end = to;
        const [before, match, after] = [tail(text.slice(0, from)), text.slice(from, to), head(text.slice(to))];
        const { speaker } = segment;
        hits.push({ ...timesOf(segment, text, from, to), before, match, after, speaker });
      }
      return hits;
    });
}

/** What another search finds in the segments of some speakers. */
export function findBySpeaker(names: readonly string[], find: Find): Find {
  return ({ segments, ...rest }) => {
    return find({ ...rest, segments: segments.filter(({ speaker = "" }) => names.includes(speaker)) });
  };
}

/** Times without a segment, those at the start and the end of the recording too. */
export function findSilence(limit: Limit): Find {
  return ({ segments, duration }) =>
    gaps(segments, duration)
      .filter(({ start, end }) => limit(toMilliseconds(end - start)))
      .map(({ start, end }) => {
        const [last] = segments.filter((segment) => segment.end <= start).slice(-1);
        const next = segments.find((segment) => segment.start >= end);
        return {
          ...{ start, end, before: last ? `${tail(plainText(last.raw))} ` : "" },
          match: `(silence, ${(end - start).toFixed(1)} s)`,
          after: next ? ` ${head(plainText(next.raw))}` : "",
        };
      });
}

/** Segments of at least a second whose words, or characters, per second are what is looked for. */
export function findSpeechRate(limit: Limit, unit: "words" | "characters"): Find {
  return ({ segments }) =>
    segments.flatMap((segment) => {
      const said = countUnits(plainText(segment.raw));
      const seconds = segment.end - segment.start;
      if (said.unit !== unit || said.count === 0 || seconds < 1 || !limit(said.count / seconds)) return [];
      return [whole(segment, `(${(said.count / seconds).toFixed(1)} ${unit}/s) `)];
    });
}

/** The times of a recording in which there is no segment, in order. */
export function gaps(segments: readonly HeardSegment[], duration: number): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  let heard = 0;
  for (const { start, end } of [...segments, { start: duration, end: duration }]) {
    if (start > heard) found.push({ start: heard, end: start });
    heard = Math.max(heard, end);
  }
  return found;
}

/**
 * A pattern for a keyword in any case. Where it begins or ends with a letter of a script that has spaces between words,
 * no such letter may stand beside it; characters of Chinese, Japanese and Korean may.
 */
export function keywordPattern(keyword: string): RegExp {
  const escaped = keyword.trim().replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const body = escaped.replace(/['’]/g, "['’]").replace(/\s+/g, "\\s+");
  const [first, last] = [RegExp(`^${LETTER}`, "u"), RegExp(`${LETTER}$`, "u")].map((edge) => edge.test(keyword.trim()));
  return new RegExp(`${first ? `(?<!${LETTER})` : ""}${body}${last ? `(?!${LETTER})` : ""}`, "giu");
}

function whole(segment: HeardSegment, before = ""): Hit {
  const { start, end, raw, events, speaker } = segment;
  const match = head(plainText(raw), 2 * AROUND) || `(${events.join(", ")})`;
  return { start, end, before, match, after: "", speaker };
}

/** The time of the words that a part of the text is in; the segment's, where its words are not those of the text. */
function timesOf(segment: HeardSegment, text: string, from: number, to: number): { start: number; end: number } {
  const words = (segment.words ?? []).map((word) => ({ ...word, letters: letters(word.word).length }));
  const known = letters(words.map(({ word }) => word).join("")) === letters(text);
  const [first, last] = [from, to].map((place) => letters(text.slice(0, place)).length);
  let at = 0;
  const said = words.filter((word) => {
    at += word.letters;
    return at > first && at - word.letters < last;
  });
  const { start, end } = segment;
  return known && said.length > 0 ? { start: said[0].start, end: said[said.length - 1].end } : { start, end };
}

/** Without spaces: a segment's words have none, nor the sign that stands for one. */
function letters(text: string): string {
  return text.replace(/[\s▁]/g, "");
}

/** The beginning of a text, cut at a space if there is one near. */
function head(text: string, count = AROUND): string {
  const signs = [...text];
  if (signs.length <= count) return text;
  const cut = signs.slice(0, count).join("");
  return `${cut.replace(/\s\S{0,15}$/, "")}…`;
}

function tail(text: string): string {
  const signs = [...text];
  if (signs.length <= AROUND) return text;
  const cut = signs.slice(-AROUND).join("");
  return `…${cut.replace(/^\S{0,15}\s/, "")}`;
}
