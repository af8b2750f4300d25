import type { Prompt } from "./prompt.ts";

export interface RecognizeOptions {
  /** A token that may not be the best of a row. */
  readonly banned?: number;
  /** How many of the best tokens of each row are wanted; 1 unless given. */
  readonly k?: number;
  /** Ends the work between two parts of it. */
  readonly signal?: AbortSignal;
  /** Called once all is recorded that the answer needs: what another run records now is computed behind it. */
  readonly onRecorded?: () => void;
}

/** What a model heard in a clip: rows of 60 ms, behind four that answer the prompt. */
export interface Heard {
  /** The best token of each row: f32 [rows]. */
  readonly ids: Float32Array;
  /** ln softmax(logits) of that token: f32 [rows]. */
  readonly logProbs: Float32Array;
  /** Of each row the k best tokens, best first, then their log-probabilities: f32 [rows, 2k]. */
  readonly top: Float32Array;
  /** ln softmax(logits)[first + r, tokens[l]], `rows` rows from `first` on: f32 [rows, tokens.length]. */
  logProbsOf(tokens: Uint32Array, first: number, rows: number): Promise<Float32Array>;
}

/** What a model heard in a batch of clips. */
export interface Recognition {
  readonly clips: readonly Heard[];
  /** Gives the encoder's output back: `logProbsOf` cannot be asked any more. */
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
