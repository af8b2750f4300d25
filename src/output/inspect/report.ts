import { type Failed, type Heard, plainText } from "../heard.ts";
import { type Figures, figuresOf, sumFigures } from "./figures.ts";
import type { Hit } from "./find.ts";
import type { Rule } from "./rules.ts";
import { type SpeakerFigures, speakerFigures } from "./speakers.ts";

/** Something a rule found. */
export interface Moment extends Hit {
  /** The rule's name. */
  readonly rule: string;
}

/** A segment as reports show it. */
export interface Part {
  readonly start: number;
  readonly end: number;
  /** Without tags and emoji; empty where nothing is said. */
  readonly text: string;
  readonly language: string;
  readonly emotion: string;
  readonly events: readonly string[];
  /** Where they are known. */
  readonly speaker?: string;
}

export interface RecordingReport {
  readonly file: string;
  readonly figures: Figures;
  /** By first appearance, if anybody is known to speak. */
  readonly speakers?: readonly SpeakerFigures[];
  /** In the order of time. */
  readonly moments: readonly Moment[];
  readonly segments: readonly Part[];
}

export interface Report {
  /** Each rule, and how many moments it found. */
  readonly rules: readonly (Omit<Rule, "find"> & { readonly moments: number })[];
  /** All recordings as one. */
  readonly total: Figures;
  readonly recordings: readonly RecordingReport[];
  readonly failed: readonly Failed[];
}

/** What the rules find in a recording, and its figures. */
export function inspectRecording(heard: Heard, rules: readonly Rule[]): RecordingReport {
  const moments = rules.flatMap((rule) => rule.find(heard).map((hit): Moment => ({ rule: rule.name, ...hit })));
  const speakers = speakerFigures(heard.segments);
  return {
    file: heard.file,
    figures: figuresOf(heard),
    ...(speakers.length > 0 ? { speakers } : {}),
    moments: moments.sort((a, b) => a.start - b.start || a.end - b.end),
    segments: heard.segments.map(({ start, end, raw, language, emotion, events, speaker }) => {
      return { start, end, text: plainText(raw), language, emotion, events, speaker };
    }),
  };
}

/** The report on all recordings, those too that could not be heard. */
export function summariseReport(
  recordings: readonly RecordingReport[],
  failed: readonly Failed[],
  rules: readonly Rule[],
): Report {
  const found = recordings.flatMap(({ moments }) => moments.map(({ rule }) => rule));
  return {
    rules: rules.map(({ find, ...rule }) => ({ ...rule, moments: found.filter((name) => name === rule.name).length })),
    total: sumFigures(recordings.map(({ figures }) => figures)),
    recordings,
    failed,
  };
}
