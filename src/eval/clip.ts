import type { Emotion, Language, SoundEvent } from "../node.ts";

/** A sound and what a person says about it. */
export interface EvalClip {
  /** Its name, unlike any other in the data set. */
  readonly key: string;
  /** Path of the sound file. */
  readonly source: string;
  readonly text: string;
  readonly language: Language;
  /** Where the data set has it. */
  readonly emotion?: Emotion;
  /** Where the data set has it. */
  readonly event?: SoundEvent;
  /** Whether the text was written with punctuation, capitals and figures. */
  readonly itn: boolean;
}
