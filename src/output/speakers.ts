import type { Segment } from "../speech/segment.ts";
import { singleLine } from "./format.ts";

/** Speech of one voice without a long pause. Seconds. */
export interface Stretch {
  readonly speaker: string;
  readonly start: number;
  readonly end: number;
}

/** What one voice says of all that is said by voices that are known. */
export interface TalkShare {
  readonly speaker: string;
  /** Of its stretches, in whole milliseconds. */
  readonly seconds: number;
  /** In [0, 1], of the seconds of all speakers. */
  readonly share: number;
}

/** Words of a voice further apart than this are two stretches: as long as NIST lets a pause of a turn be. */
const LONGEST_PAUSE = 0.5;

/** What is needed of a segment to know who speaks when. */
type Spoken = Pick<Segment, "start" | "end" | "words" | "speaker">;

/**
 * Colours that tell speakers apart in pictures: a contrast of 3 (WCAG 1.4.11) with white, black and the grounds of reports,
 * light and dark; a distance of 22 (CIE76) between any two, also for who sees no red, no green or no blue (Machado et al.
 * 2009).
 */
export const SPEAKER_COLOURS = ["#963cff", "#2d9678", "#ff0069", "#878700", "#8778f0", "#b44ba5"] as const;

/** The same for subtitles, light with a black outline: a contrast of 6, a distance of 29; white is for who is not known. */
export const SUBTITLE_COLOURS = ["#f0d200", "#8778ff", "#a5ff96", "#ff693c", "#2da587", "#b478c3"] as const;

/** The colour of the speaker of an index, from 0; there are fewer colours than there may be speakers. */
export function colourAt(colours: readonly string[], index: number): string {
  return colours[index % colours.length];
}

/** Whether anybody is known to speak. */
export function hasSpeakers(segments: readonly Pick<Segment, "speaker" | "words">[]): boolean {
  return segments.some(({ speaker, words }) => speaker !== undefined || words?.some((word) => word.speaker));
}

/** `S1: ` in front of what is said, nothing where nobody is known to say it. */
export function speakerPrefix(speaker: string | undefined): string {
  return speaker === undefined ? "" : `${singleLine(speaker)}: `;
}

/**
 * Who speaks when in a segment: from a voice's first word to its last, in parts where words are more than 0.5 s apart; the
 * whole segment where words have no times.
 */
export function stretchesOf({ start, end, words, speaker }: Spoken): Stretch[] {
  const timed = words?.map((word) => ({ ...word, speaker: word.speaker ?? speaker })) ?? [];
  if (timed.length === 0) return speaker === undefined ? [] : [{ speaker, start, end }];
  const stretches: { speaker: string; start: number; end: number }[] = [];
  let last: string | undefined;
  for (const word of timed) {
    const open = stretches.at(-1);
    if (open && word.speaker === last && word.start - open.end <= LONGEST_PAUSE) open.end = word.end;
    else if (word.speaker !== undefined) stretches.push({ speaker: word.speaker, start: word.start, end: word.end });
    last = word.speaker;
  }
  return stretches;
}

/** Each speaker's share of talk, in the order in which they first speak. */
export function talkShares(segments: readonly Spoken[]): TalkShare[] {
  const seconds = new Map<string, number>();
  for (const { speaker, start, end } of segments.flatMap(stretchesOf)) {
    seconds.set(speaker, (seconds.get(speaker) ?? 0) + end - start);
  }
  const all = [...seconds.values()].reduce((sum, own) => sum + own, 0);
  return [...seconds].map(([speaker, own]) => ({
    speaker,
    seconds: Math.round(own * 1000) / 1000,
    share: all > 0 ? own / all : 0,
  }));
}
