import type { Segment } from "../speech/segment.ts";
import { isSpoken, type Marks, shownText } from "./marks.ts";

/** Every format. Who asks only for the names does not load what writes them. */
export const FORMAT_NAMES = ["text", "json", "jsonl", "srt", "vtt", "tsv", "ass", "rttm"] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

/** What is known of a recording: what it says, and whatever else belongs to it (`model`, `device`), which json keeps. */
export interface Document extends Closing {
  readonly file?: string;
  /** In order, none overlapping the next. */
  readonly segments: readonly Segment[];
}

/** What is known at the end of a recording. */
export interface Closing {
  /** Seconds; no cue goes on after it. */
  readonly duration: number;
  readonly [name: string]: unknown;
}

export interface FormatOptions {
  /** Default `"emoji"`. */
  readonly marks?: Marks;
  /** Subtitles that colour each word as it is spoken, where word times are known: ass (default true), vtt (default false). */
  readonly karaoke?: boolean;
  /**
   * Whether segments come with speakers: what stands at the head of a file, before any of them, depends on it (tsv, ass).
   * For a whole recording the default is what its segments say, else false.
   */
  readonly speakers?: boolean;
}

/**
 * One recording, written as its segments come. The file is head(), each add() and end(), joined. Memory stays flat but for
 * json, which is one object.
 */
export interface Writer {
  head(): string;
  /** Segments in order. The last cue comes with the next segment or the end: how long it stands depends on it. */
  add(segment: Segment): string;
  end(closing: Closing): string;
}

export interface Format {
  /** Of a file, without the dot. */
  readonly extension: string;
  readonly mimeType: string;
  writer(options: FormatOptions & { readonly file?: string }): Writer;
}

/** Shows segments with their marks; marks of music and applause are in the language that was spoken last. */
export function textOf(marks: Marks = "emoji"): (segment: Segment) => string {
  let language: string | undefined;
  return (segment) => {
    if (isSpoken(segment)) language = segment.language;
    return shownText(segment, marks, language);
  };
}

/** A text on one line: white space as one space each, other control characters as U+FFFD. */
export function singleLine(text: string): string {
  return text
    .replace(/[\s\x85]+/gu, " ")
    .replace(/[\p{Cc}\p{Cs}]/gu, "\ufffd")
    .trim();
}
