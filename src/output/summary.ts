import type { Segment } from "../speech/segment.ts";

/** What is said of a whole recording: the names of {@link Segment}, without its times and texts. */
export type Summary = Omit<Segment, "start" | "end" | "text" | "raw">;

/**
 * The segments of a recording in sum. Language and emotion are those of the most seconds; where a language is spoken,
 * stretches without one do not count. The confidence is the geometric mean over all tokens of the text.
 */
export function summarise(segments: readonly Segment[]): Summary {
  const spoken = segments.filter(({ language }) => language !== "nospeech" && language !== "unknown");
  const counted = spoken.length > 0 ? spoken : segments;
  const count = segments.reduce((sum, segment) => sum + textTokens(segment), 0);
  const logs = segments.reduce((sum, segment) => {
    const tokens = textTokens(segment);
    return tokens > 0 ? sum + tokens * Math.log(segment.confidence) : sum;
  }, 0);
  return {
    tokens: segments.flatMap(({ tokens }) => tokens),
    language: longest(counted, "language") ?? "unknown",
    emotion: longest(counted, "emotion") ?? "unknown",
    events: [...new Set(segments.flatMap(({ events }) => events))],
    words: segments.some(({ words }) => words) ? segments.flatMap(({ words }) => words ?? []) : null,
    confidence: count > 0 ? Math.exp(logs / count) : 1,
  };
}

/** Tokens that are no tags: those that the confidence is of. */
function textTokens({ tokens, raw }: Segment): number {
  return Math.max(0, tokens.length - (raw.match(/<\|\w+\|>/g)?.length ?? 0));
}

/** The value that holds for the most seconds; of equal ones the first. */
function longest<K extends "language" | "emotion">(segments: readonly Segment[], key: K): Segment[K] | undefined {
  const seconds = new Map<Segment[K], number>();
  for (const segment of segments) {
    const { [key]: value, start, end } = segment;
    seconds.set(value, (seconds.get(value) ?? 0) + end - start);
  }
  return [...seconds].sort(([, a], [, b]) => b - a)[0]?.[0];
}
