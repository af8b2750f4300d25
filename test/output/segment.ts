import { richText } from "../../src/model/sensevoice/richText.ts";
import { readTags } from "../../src/model/sensevoice/tags.ts";
import type { Word } from "../../src/model/sensevoice/words.ts";
import type { Cue } from "../../src/output/cue.ts";
import { lineText } from "../../src/output/cue.ts";
import type { Segment } from "../../src/speech/segment.ts";

/** A segment as the model would say it: text and tags from the raw transcript. */
export function segment(start: number, end: number, raw: string, words: readonly Word[] | null = null): Segment {
  return { start, end, text: richText(raw), raw, tokens: [], words, confidence: 0.5, ...readTags(raw) };
}

/** `0.5 one 0.8 two 1.2 / 1.5 three 2`: words between their times; behind a stroke the next word's start. */
export function words(line: string): Word[] {
  return line.split(" / ").flatMap((part) => {
    const fields = part.split(" ");
    const count = (fields.length - 1) / 2;
    return Array.from({ length: count }, (_, i) => ({
      word: fields[2 * i + 1],
      start: Number(fields[2 * i]),
      end: Number(fields[2 * i + 2]),
      confidence: 1,
    }));
  });
}

/** `0–1.5 first line | second line` */
export function shown({ start, end, lines }: Cue): string {
  return `${start}–${end} ${lines.map(lineText).join(" | ")}`;
}
