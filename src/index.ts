/** What the package's two entries, node.ts and browser.ts, have in common. */
export type { SoundInput } from "./audio/pieces.ts";
export type { Engine } from "./engine.ts";
export { SenseVoiceError } from "./error.ts";
export type { AskedLanguage, SpokenLanguage } from "./model/sensevoice/prompt.ts";
export type { Emotion, Language, SoundEvent } from "./model/sensevoice/tags.ts";
export type { TokenLogProb } from "./model/sensevoice/tokenLogProbs.ts";
export type { Word } from "./model/sensevoice/words.ts";
export type { Device, Vad, WeightType } from "./options.ts";
export { type Document, FORMAT_NAMES, type FormatName, type FormatOptions } from "./output/format.ts";
export { writeDocument } from "./output/formats.ts";
export type { Hotword } from "./speech/hotwords.ts";
export type { LiveResult, Renaming, SpeechStream } from "./speech/live.ts";
export type { Span } from "./speech/merge.ts";
export type {
  BatchOptions,
  DetectOptions,
  LiveOptions,
  RunOptions,
  TranscribeOptions,
  VoiceSettings,
} from "./speech/options.ts";
export type { Segment } from "./speech/segment.ts";
export type {
  KnownPerson,
  LiveSpeakerOptions,
  SpeakerMode,
  SpeakerOptions,
  SpokenTurn,
} from "./speech/speakerOptions.ts";
export type { Timings, Transcript } from "./speech/transcript.ts";
export type { Progress } from "./weights/source.ts";
