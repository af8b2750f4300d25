import { quote, SenseVoiceError } from "../error.ts";

/** From one moment to another, in seconds from the recording's start. */
export interface Region {
  readonly start: number;
  readonly end: number;
}

/** Somebody's speech. */
export interface SpeakerTurn extends Region {
  readonly speaker: string;
}

/** Types of lines that say nothing of who speaks when. Source: NIST's RT-09 evaluation plan, appendix A. */
const OTHER_TYPES = [
  ...["SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER", "EDIT", "SU", "IP", "CB"],
  ...["A/P", "SPKR-INFO"],
];

/**
 * Reads RTTM: the turns of each recording, in the order of the file. `SPEAKER recording channel start duration <NA> <NA>
 * speaker …`; lines of other types, empty ones and comments (`;`, `#`) are passed over, turns of no length too.
 *
 * @throws SenseVoiceError `FILE:LINE: …` for a line that is something else
 */
export function parseRttm(text: string, file: string): Map<string, SpeakerTurn[]> {
  const turns = new Map<string, SpeakerTurn[]>();
  for (const { fields, where } of linesOf(text, file)) {
    if (OTHER_TYPES.includes(fields[0])) continue;
    if (fields[0] !== "SPEAKER") refuse(where, "SPEAKER or another type of RTTM", fields[0]);
    if (fields.length < 8) refuse(where, "at least 8 fields, the eighth of them a speaker", fields.join(" "));
    const [, recording, , onset, duration, , , speaker] = fields;
    const start = secondsOf(onset, "start", where);
    const end = start + secondsOf(duration, "duration", where);
    if (!turns.has(recording)) turns.set(recording, []);
    if (end > start) turns.get(recording)!.push({ start, end, speaker });
  }
  return turns;
}

/**
 * Reads UEM, what of each recording is scored: `recording channel start end`.
 *
 * @throws SenseVoiceError `FILE:LINE: …` for a line that is something else
 */
export function parseUem(text: string, file: string): Map<string, Region[]> {
  const regions = new Map<string, Region[]>();
  for (const { fields, where } of linesOf(text, file)) {
    if (fields.length < 4) refuse(where, "4 fields: recording, channel, start and end", fields.join(" "));
    const [recording, , first, last] = fields;
    const [start, end] = [secondsOf(first, "start", where), secondsOf(last, "end", where)];
    if (end <= start) refuse(where, `an end behind the start, ${start}`, last);
    regions.set(recording, [...(regions.get(recording) ?? []), { start, end }]);
  }
  return regions;
}

function linesOf(text: string, file: string): { fields: string[]; where: string }[] {
  return text
    .split("\n")
    .map((line, i) => ({ fields: line.trim().split(/\s+/), where: `${file}:${i + 1}` }))
    .filter(({ fields: [first] }) => first !== "" && !/^[;#]/.test(first));
}

function secondsOf(text: string, name: string, where: string): number {
  return /^\d*\.?\d+$|^\d+\.$/.test(text) ? Number(text) : refuse(where, `${name} in seconds, 0 or more`, text);
}

function refuse(where: string, expected: string, got: string): never {
  throw new SenseVoiceError(`${where}: expected ${expected}, got ${quote(got)}`);
}
