import { SenseVoiceError } from "../error.ts";
import { checkChoice, show } from "../options.ts";

/** How speakers are told apart: as well as can be, or with FunASR's answers. */
export const SPEAKER_MODES = ["default", "funasr"] as const;
export type SpeakerMode = (typeof SPEAKER_MODES)[number];

/** What speakers are called who have no name. */
export const LABEL = /^S\d+$/;

/** Somebody whose voice is known. */
export interface KnownPerson {
  readonly name: string;
  /** Of sounds in which they speak: what `Engine.embedVoice` gave. */
  readonly embeddings: readonly Float32Array[];
}

/** When somebody speaks: seconds from the recording's start. */
export interface SpokenTurn {
  readonly start: number;
  readonly end: number;
  /** As segments have it. */
  readonly speaker: string;
}

export interface SpeakerOptions {
  /**
   * Whether it is told who says what: `true`, or how many speakers there are. Segments are then divided where the speaker
   * changes, and come once the recording is over. There must be a speaker model. Default false.
   */
  readonly speakers?: boolean | number;
  /**
   * `"funasr"`: a segment is never divided, and has the speaker that FunASR's `spk_model="cam++"` gives it. Recordings of over
   * 25 minutes of speech are the exception: there its answer is not the same twice. Default `"default"`.
   */
  readonly speakerMode?: SpeakerMode;
  /** Speakers who are alike enough to one of these have their name in place of S1, S2, … */
  readonly people?: readonly KnownPerson[];
}

/** What is asked of live sound: there is one way to tell speakers apart. */
export interface LiveSpeakerOptions {
  /**
   * Whether final results say who speaks: `true`, or how many speakers there are at most. A final result is then divided where
   * the speaker changes. There must be a speaker model. Default false.
   */
  readonly speakers?: boolean | number;
  /** As in SpeakerOptions: a speaker has the name from the first final result on in which they are alike enough. */
  readonly people?: readonly KnownPerson[];
}

/** @throws SenseVoiceError for options that are not as they should be */
export function checkLiveSpeakers(options: LiveSpeakerOptions & Pick<SpeakerOptions, "speakerMode">): void {
  checkSpeakers(options);
  if (options.speakerMode === undefined || options.speakerMode === "default") return;
  throw new SenseVoiceError(
    "[engine] speakerMode: expected none for live sound, which FunASR has no way for; got funasr",
  );
}

/** @throws SenseVoiceError for options that are not as they should be */
export function checkSpeakers({ speakers, speakerMode, people }: SpeakerOptions): void {
  const isCount = Number.isInteger(speakers) && (speakers as number) >= 1;
  if (speakers !== undefined && typeof speakers !== "boolean" && !isCount) {
    throw new SenseVoiceError(`[engine] speakers: expected true, false or how many there are, got ${show(speakers)}`);
  }
  checkChoice("speakerMode", speakerMode, [undefined, ...SPEAKER_MODES]);
  if (people === undefined) return;
  if (!Array.isArray(people)) throw new SenseVoiceError(`[engine] people: expected an array, got ${show(people)}`);
  people.forEach(checkPerson);
}

function checkPerson(person: Partial<KnownPerson> | null, i: number): void {
  const { name, embeddings } = person ?? {};
  if (typeof name !== "string" || name.trim() === "") {
    throw new SenseVoiceError(`[engine] people[${i}].name: expected a text, got ${show(name)}`);
  }
  if (LABEL.test(name)) {
    throw new SenseVoiceError(`[engine] people[${i}].name: expected one that no stranger has (S1, S2, …), got ${name}`);
  }
  const isVector = (vector: unknown) => vector instanceof Float32Array && vector.length > 0;
  if (Array.isArray(embeddings) && embeddings.length > 0 && embeddings.every(isVector)) return;
  const got = Array.isArray(embeddings) ? `[${embeddings.map(show).join(", ")}]` : show(embeddings);
  throw new SenseVoiceError(`[engine] people[${i}].embeddings: expected Float32Arrays of embedVoice, got ${got}`);
}
