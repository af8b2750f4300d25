import type { Heard, HeardSegment } from "../../src/output/heard.ts";

/** A segment: its times, its raw text such as `<|en|><|HAPPY|><|Laughter|><|woitn|>good morning`, and what differs. */
export function segment(start: number, end: number, text: string, more: Partial<HeardSegment> = {}): HeardSegment {
  return {
    ...{ start, end, raw: `<|en|><|NEUTRAL|><|Speech|><|woitn|>${text}` },
    ...{ language: "en", emotion: "neutral", events: ["speech"], words: null, ...more },
  };
}

export function heard(duration: number, ...segments: HeardSegment[]): Heard {
  return { file: "talk.wav", duration, segments };
}

/** Words of equal length in a row. */
export function wordsAt(start: number, seconds: number, ...words: string[]): HeardSegment["words"] {
  return words.map((word, i) => {
    return { word, start: start + i * seconds, end: start + (i + 1) * seconds, confidence: 1 };
  });
}
