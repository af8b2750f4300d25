import type { Vad } from "../options.ts";
import type { SpeechStream } from "./live.ts";
import type { RecogniseOptions } from "./recognise.ts";
import type { LiveSpeakerOptions, SpeakerOptions } from "./speakerOptions.ts";

export interface RunOptions extends RecogniseOptions {
  /** Ends the run early; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Seconds of sound that are recognised in one pass, unless given. */
export const BATCH_SECONDS = 60;

export interface BatchOptions extends RunOptions {
  /**
   * Seconds of sound that are recognised in one pass (FunASR's batch_size_s), but for one clip that is longer: from 0,
   * each clip by itself, to 1800; 60 unless given. More is more memory.
   */
  readonly batchSeconds?: number;
}

/**
 * How speech is told from silence. A setting that the kind of voice activity asked for by `vad` does not have is an
 * error; one that the kind taken unless given does not have changes nothing.
 */
export interface VoiceSettings {
  /**
   * Silence that ends a stretch of speech, in ms: from 0 to 10 000 (FunASR's max_end_silence_time). For all kinds but
   * `"none"`. Unless given, `"fsmn"` goes by FunASR's schedules, from 2000 down to 100 the longer speech lasts; 800 for
   * `"energy"` and `"model"`. Both smooth over 200 ms or rows of 60 ms: `"fsmn"` and `"energy"` take less than 150 as
   * 150, `"model"` whole rows, at least one.
   */
  readonly endSilenceMs?: number;
  /**
   * By how much speech must be more probable than silence, from 0, as soon as it is, to 1, only where it is certain
   * (FunASR's speech_noise_thres): a frame is speech where 1 − p ≥ pʳ + speechThreshold, p the network's probability of
   * silence, r 1 in the published model; there 0.5 asks for speech of 75 %. For `"fsmn"`. Unless given, FunASR's: 0.5 with its schedule, what the
   * model's folder says (0.6) beside `endSilenceMs`.
   */
  readonly speechThreshold?: number;
  /**
   * What a stretch of speech has at least in front of its first speech, in ms: from 0 to 5000, but nothing that
   * belongs to the stretch before (FunASR's lookback_time_start_point). For `"fsmn"` and `"energy"`, 200 unless given;
   * for `"model"`, 300, and as much behind, at most half of `endSilenceMs`. At most a quarter of `maxSegmentSeconds`.
   */
  readonly padMs?: number;
}

export interface DetectOptions extends VoiceSettings {
  /** How speech is found: `"fsmn"` if the model brings FSMN-VAD, else `"model"`, unless given. */
  readonly vad?: Vad;
  /** Longer speech is cut; 60 s unless given. */
  readonly maxSegmentSeconds?: number;
  readonly signal?: AbortSignal;
}

export interface LiveOptions extends RunOptions, VoiceSettings, LiveSpeakerOptions {
  /** How speech is found: `"fsmn"` if the model brings FSMN-VAD, else `"energy"`, unless given. */
  readonly vad?: Vad;
  /** Longer speech is cut; 30 s unless given. */
  readonly maxSegmentSeconds?: number;
  /** How much sound comes between two partial results; 0.4 s unless given. */
  readonly partialSeconds?: number;
  /** @internal Whose speakers, with the labels and options that they had, go on in this one. */
  readonly continued?: SpeechStream;
}

export interface TranscribeOptions extends BatchOptions, VoiceSettings, SpeakerOptions {
  /** How speech is found: `"fsmn"` if the model brings FSMN-VAD, else `"model"`, unless given. */
  readonly vad?: Vad;
  /** Neighbouring stretches of speech are joined to segments shorter than this; 15 s unless given, 0: not joined. */
  readonly mergeSeconds?: number;
  /** Longer speech is cut; 30 s unless given. */
  readonly maxSegmentSeconds?: number;
  /** Called with the seconds of the recording that are done. */
  readonly onProgress?: (seconds: number) => void;
}
