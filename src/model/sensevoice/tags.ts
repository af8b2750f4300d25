/** A language the model names: one of the five it knows well, `nospeech`, or another code that has a tag. */
export type Language = "zh" | "en" | "yue" | "ja" | "ko" | "nospeech" | (string & {});

export type Emotion = "happy" | "sad" | "angry" | "neutral" | "fearful" | "disgusted" | "surprised" | "unknown";

export type SoundEvent =
  | "speech"
  | "bgm"
  | "laughter"
  | "applause"
  | "cry"
  | "sneeze"
  | "breath"
  | "cough"
  | "sing"
  | "unknown";

/** What the tags of a raw transcript say. */
export interface Tags {
  /** `unknown` if no tag names it. */
  readonly language: Language;
  /** `unknown` if no tag names it, or the tag is `<|EMO_UNKNOWN|>`. */
  readonly emotion: Emotion;
  /** Each event once, in the order of the text. `<|Event_UNK|>` is `unknown`. */
  readonly events: readonly SoundEvent[];
}

const EMOTIONS: ReadonlyMap<string, Emotion> = new Map([
  ["HAPPY", "happy"],
  ["SAD", "sad"],
  ["ANGRY", "angry"],
  ["NEUTRAL", "neutral"],
  ["FEARFUL", "fearful"],
  ["DISGUSTED", "disgusted"],
  ["SURPRISED", "surprised"],
  ["EMO_UNKNOWN", "unknown"],
]);

const EVENTS: ReadonlyMap<string, SoundEvent> = new Map([
  ["Speech", "speech"],
  ["BGM", "bgm"],
  ["Laughter", "laughter"],
  ["Applause", "applause"],
  ["Cry", "cry"],
  ["Sneeze", "sneeze"],
  ["Breath", "breath"],
  ["Cough", "cough"],
  ["Sing", "sing"],
  ["Event_UNK", "unknown"],
]);

/** Codes of the languages in the vocabulary (`<|haw|>` is Hawaiian); other tags are longer or have capitals. */
const LANGUAGE = /^([a-z]{2,3}|nospeech)$/;

/**
 * Reads the tags of one segment: `<|en|><|HAPPY|><|Laughter|><|woitn|>good morning` gives
 * `{ language: "en", emotion: "happy", events: ["laughter"] }`. The first language and the first emotion count.
 */
export function readTags(raw: string): Tags {
  let language: Language | undefined;
  let emotion: Emotion | undefined;
  const events = new Set<SoundEvent>();
  for (const [, name] of raw.matchAll(/<\|(\w{1,32})\|>/g)) {
    if (LANGUAGE.test(name)) language ??= name;
    emotion ??= EMOTIONS.get(name);
    const event = EVENTS.get(name);
    if (event) events.add(event);
  }
  return { language: language ?? "unknown", emotion: emotion ?? "unknown", events: [...events] };
}
