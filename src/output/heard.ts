import type { Segment } from "../speech/segment.ts";

/** What reports need of a segment: where words have no times, a word's time is its segment's. */
export type HeardSegment = Pick<
  Segment,
  "start" | "end" | "raw" | "language" | "emotion" | "events" | "words" | "speaker"
>;

/** A recording that has been heard. Its segments are in order; times are in seconds. */
export interface Heard {
  readonly file: string;
  readonly duration: number;
  readonly segments: readonly HeardSegment[];
}

/** A recording that could not be heard, and why. */
export interface Failed {
  readonly file: string;
  readonly error: string;
}

/** The words of a raw transcript: no tags, no emoji, single spaces. */
export function plainText(raw: string): string {
  return raw
    .replace(/<\|\w{1,32}\|>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

/** Seconds as `m:ss` or `h:mm:ss`, the rest cut off. */
export function clock(seconds: number): string {
  const total = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  const pad = (value: number) => String(value).padStart(2, "0");
  return `${hours > 0 ? `${hours}:${pad(minutes)}` : minutes}:${pad(total % 60)}`;
}

/** How long something lasts: `8.3 s`, from a minute on `m:ss`. */
export function span(seconds: number): string {
  return seconds < 59.95 ? `${seconds.toFixed(1)} s` : clock(seconds);
}

/** Whole milliseconds: sums of times in seconds are not exact. */
export function toMilliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
