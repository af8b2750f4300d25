/** From `start` to `end` somebody speaks: milliseconds from the start of the recording; −1 for what is not known yet. */
export type SpeechEvent = readonly [start: number, end: number];

/** Finds out where somebody speaks while the sound comes in. One for each recording; each call awaits the last one. */
export interface VoiceActivity {
  /**
   * Takes the next samples, mono at 16 kHz, however they are cut.
   *
   * @returns what is known since the last call, in order: `[start, -1]` speech has begun, `[-1, end]` it has ended,
   *   `[start, end]` both
   */
  push(pcm: Float32Array): Promise<SpeechEvent[]>;
  /** The recording is over. A segment that is still open ends with it. */
  finish(): Promise<SpeechEvent[]>;
  /** Gives up a recording that is not to be finished, and the memory that it held. */
  close(): void;
}
