import type { Tags } from "../model/sensevoice/tags.ts";
import type { TokenLogProb } from "../model/sensevoice/tokenLogProbs.ts";
import type { Word } from "../model/sensevoice/words.ts";

/** What was said from one moment of a recording to another. */
export interface Segment extends Tags {
  /** Seconds from the start of the recording, in whole milliseconds. */
  readonly start: number;
  readonly end: number;
  /** Tags taken out or turned into emoji, as FunASR's rich_transcription_postprocess does. */
  readonly text: string;
  /** What the model said, tags and all. */
  readonly raw: string;
  /** Token ids, repeats and blanks collapsed. */
  readonly tokens: readonly number[];
  /** Times from the start of the recording; null unless `timestamps` was asked for. */
  readonly words: readonly Word[] | null;
  /** Geometric mean of the probabilities of the text's tokens, in [0, 1]; 1 if nothing was said. */
  readonly confidence: number;
  /** The tokens of the text one by one, only if `logProbs` was asked for. */
  readonly logProbs?: readonly TokenLogProb[];
  /** Who speaks: `S1`, `S2`, … by first appearance, or an enrolled name. Absent if not asked for, or if nobody is known to. */
  readonly speaker?: string;
}
