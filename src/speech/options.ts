import type { Vad } from "../options.ts";
import type { RecogniseOptions } from "./recognise.ts";

export interface RunOptions extends RecogniseOptions {
  /** Ends the run early; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface DetectOptions {
  /** How speech is found: `"fsmn"` if the model brings FSMN-VAD, else `"model"`, unless given. */
  readonly vad?: Vad;
  /** Longer speech is cut; 60 s unless given. */
  readonly maxSegmentSeconds?: number;
  readonly signal?: AbortSignal;
}

export interface LiveOptions extends RunOptions {
  /** How speech is found: `"fsmn"` if the model brings FSMN-VAD, else `"energy"`, unless given. */
  readonly vad?: Vad;
  /** Longer speech is cut; 30 s unless given. */
  readonly maxSegmentSeconds?: number;
  /** How much sound comes between two partial results; 0.4 s unless given. */
  readonly partialSeconds?: number;
}

export interface TranscribeOptions extends RunOptions {
  /** How speech is found: `"fsmn"` if the model brings FSMN-VAD, else `"model"`, unless given. */
  readonly vad?: Vad;
  /** Neighbouring stretches of speech are joined to segments shorter than this; 15 s unless given, 0: not joined. */
  readonly mergeSeconds?: number;
  /** Longer speech is cut; 30 s unless given. */
  readonly maxSegmentSeconds?: number;
  /** Seconds of sound that are recognised at a time; 60 unless given. */
  readonly batchSeconds?: number;
  /** Called with the seconds of the recording that are done. */
  readonly onProgress?: (seconds: number) => void;
}
