import type { Prompt } from "./prompt.ts";

export interface RecognizeOptions {
  /** A token that may not be the best of a row. */
  readonly banned?: number;
  /** Ends the work between two parts of it. */
  readonly signal?: AbortSignal;
}

/** What a model heard in a batch of clips. */
export interface Recognition {
  /** The best token of each row of each clip; the first four rows answer the prompt. */
  readonly ids: readonly Float32Array[];
  /** ln softmax(logits)[first + r, tokens[l]] of a clip, `rows` rows from `first` on: f32 [rows, tokens.length]. */
  logProbs(clip: number, tokens: Uint32Array, first: number, rows: number): Promise<Float32Array>;
  /** Gives the encoder's output back: `logProbs` cannot be asked any more. */
  release(): void;
}

/** A loaded model on any device: what the engine needs of it. */
export interface Recognizer {
  readonly backend: {
    readonly name: "reference" | "webgpu" | "cpu";
    readonly description: string;
    readonly memory: () => number;
    readonly close: () => void;
  };
  /** Encoder and CTC head on a batch. Release the result. */
  recognize(prompts: readonly Prompt[], options?: RecognizeOptions): Promise<Recognition>;
}
