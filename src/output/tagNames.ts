import type { Emotion, SoundEvent } from "../model/sensevoice/tags.ts";

/** Every emotion the model names, and its colour in pictures: one that shows on white and on black. */
export const EMOTION_COLOURS: Readonly<Record<Emotion, string>> = {
  neutral: "#8793a6",
  happy: "#e0a100",
  sad: "#4a7fd4",
  angry: "#d9433f",
  fearful: "#8b5fd0",
  disgusted: "#71902a",
  surprised: "#de6cab",
  unknown: "#b3bac4",
};

const EVENT_NAMES: Readonly<Record<SoundEvent, true>> = {
  ...{ speech: true, bgm: true, laughter: true, applause: true, cry: true },
  ...{ sneeze: true, breath: true, cough: true, sing: true, unknown: true },
};

export const EMOTIONS: readonly string[] = Object.keys(EMOTION_COLOURS);
export const EVENTS: readonly string[] = Object.keys(EVENT_NAMES);
