import type { Tags } from "../model/sensevoice/tags.ts";
import type { TokenLogProb } from "../model/sensevoice/tokenLogProbs.ts";
import type { Word } from "../model/sensevoice/words.ts";

/** Milliseconds of wall time. */
export interface Timings {
  /** Sound to features, and what was waited for the runs before to be on the device. */
  readonly features: number;
  /** Encoder and CTC head, behind what the device still computes for the run before. */
  readonly encode: number;
  /** Tokens to text, and word times. */
  readonly decode: number;
  readonly total: number;
}

export interface Transcript extends Tags {
  /** For people: tags taken out or turned into emoji, as FunASR's rich_transcription_postprocess does. */
  readonly text: string;
  /** What the model said, tags and all. */
  readonly raw: string;
  /** Token ids, repeats and blanks collapsed. */
  readonly tokens: readonly number[];
  /** null unless `timestamps` was asked for. */
  readonly words: readonly Word[] | null;
  /** Geometric mean of the probabilities of the text's tokens, in [0, 1]; 1 if nothing was said. */
  readonly confidence: number;
  /** The tokens of the text one by one, only if `logProbs` was asked for. */
  readonly logProbs?: readonly TokenLogProb[];
  /** Seconds of sound. */
  readonly duration: number;
  /** Of the whole batch that the clip was in; batches overlap, so theirs add up to more than the time of the call. */
  readonly timings: Timings;
}
