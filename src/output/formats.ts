import { SenseVoiceError } from "../error.ts";
import { ass } from "./ass.ts";
import { type Document, FORMAT_NAMES, type Format, type FormatName, type FormatOptions } from "./format.ts";
import { json, jsonl } from "./json.ts";
import { rttm } from "./rttm.ts";
import { hasSpeakers } from "./speakers.ts";
import { srt } from "./srt.ts";
import { text, tsv } from "./text.ts";
import { vtt } from "./vtt.ts";

/** Every format by name. */
export const FORMATS = { text, json, jsonl, srt, vtt, tsv, ass, rttm } as const satisfies Record<FormatName, Format>;

/** A whole recording in one of the formats. */
export function writeDocument(name: FormatName, document: Document, options: FormatOptions = {}): string {
  const { file, segments, ...closing } = document;
  const writer = formatNamed(name).writer({ speakers: hasSpeakers(segments) || undefined, ...options, file });
  return [writer.head(), ...segments.map((segment) => writer.add(segment)), writer.end(closing)].join("");
}

/** @throws SenseVoiceError if there is none of that name */
export function formatNamed(name: string): Format {
  if (Object.hasOwn(FORMATS, name)) return FORMATS[name as FormatName];
  throw new SenseVoiceError(`[output] format: expected one of ${FORMAT_NAMES.join(", ")}, got ${JSON.stringify(name)}`);
}
