/** What a user of the package imports; nothing else is public. */
export { readAudio } from "./audio/read.ts";
export {
  createEngine,
  type Device,
  type Engine,
  type EngineOptions,
  type RunOptions,
  type Timings,
  type Transcript,
} from "./engine.ts";
export { SenseVoiceError } from "./error.ts";
export type { AskedLanguage } from "./model/sensevoice/prompt.ts";
export type { Emotion, Language, SoundEvent } from "./model/sensevoice/tags.ts";
export type { WeightType } from "./model/sensevoice/weights.ts";
export type { Word } from "./model/sensevoice/words.ts";
