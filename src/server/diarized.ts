import type { Segment } from "../speech/segment.ts";
import { HttpError } from "./httpError.ts";
import type { Ask, OpenaiAsk } from "./schemas.ts";

// OpenAI's `diarized_json`. Source: OpenAI's API reference, "Create transcription", TranscriptionDiarized.

/** A stretch of one speaker. */
export interface DiarizedSegment {
  readonly type: "transcript.text.segment";
  readonly id: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly speaker: string;
}

/** Where nobody is known to speak. */
const NOBODY = "unknown";

/**
 * Who may be among the speakers, of OpenAI's two lists.
 *
 * @throws HttpError 400 if they do not go together
 */
export function peopleOf({ known_speaker_names, known_speaker_references }: OpenaiAsk): Ask["people"] {
  if (!known_speaker_names && !known_speaker_references) return undefined;
  const [names, references] = [known_speaker_names ?? [], known_speaker_references ?? []];
  if (names.length !== references.length) {
    throw new HttpError(
      400,
      `known_speaker_references: expected one for each of known_speaker_names, ${names.length}; got ${references.length}`,
      { param: "known_speaker_references", code: "invalid_value" },
    );
  }
  return names.map((name, i) => ({ name, reference: references[i] }));
}

/**
 * Segments as OpenAI has them, one after another: undefined where nothing was said. Speakers without a name are A, B, …, Z,
 * AA, … in the order in which they speak, but for letters that are somebody's name.
 */
export function diarizer(names: readonly string[] = []): (segment: Segment) => DiarizedSegment | undefined {
  const letters = new Map<string, string>();
  let count = 0;
  let next = 0;
  const letterOf = (speaker: string) => {
    let letter = letters.get(speaker);
    if (letter !== undefined) return letter;
    do letter = lettersOf(next++);
    while (names.includes(letter));
    letters.set(speaker, letter);
    return letter;
  };
  return ({ start, end, text, speaker }) => {
    if (text === "") return undefined;
    const who = speaker === undefined ? NOBODY : names.includes(speaker) ? speaker : letterOf(speaker);
    const id = `seg_${String(++count).padStart(3, "0")}`;
    return { type: "transcript.text.segment", id, start, end, text, speaker: who };
  };
}

/** A, …, Z, AA, AB, … */
function lettersOf(number: number): string {
  const last = String.fromCharCode(65 + (number % 26));
  return number < 26 ? last : lettersOf(Math.floor(number / 26) - 1) + last;
}
