import type { Segment } from "../speech/segment.ts";
import type { Ask } from "./schemas.ts";
import type { Spool } from "./spool.ts";

/** What is known once all of a sound was heard. */
export interface Total {
  /** Seconds of sound. */
  readonly duration: number;
}

/** On whose behalf a sound is heard. */
export interface Context {
  /** Whose turn it is: keys are served in rotation. */
  readonly key: string;
  /** Ends it when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Called with the seconds that are done. */
  readonly onProgress?: (seconds: number) => void;
}

/** Segments as they are heard. */
export type Segments = AsyncGenerator<Segment, Total>;

/** An upload that has begun to come. */
export interface Hearing {
  /** Hears it; the upload need not have ended. */
  segments(ask: Ask, context: Context): Segments;
  /** Gives back what it holds, in any case. */
  close(): Promise<void>;
}

/** What hears uploads: an engine of this process, or workers behind a queue. */
export interface Transcriber {
  begin(sound: Spool): Hearing;
  /** What the model is called. */
  readonly model: string;
  /** What results depend on beside the sound and what was asked. */
  readonly identity: string;
  /** Why nothing can be heard at present. */
  readonly problem?: string;
}
