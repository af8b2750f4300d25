import type { DType, HostTensor } from "./host.ts";
import type { Weight } from "./quantized.ts";

/** A tensor that lives on a device: what it is. Each backend adds where it is. Row-major. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Set once its memory is given back. */
  released?: boolean;
}

/** The weight [N, K] of a linear layer on a device, in a layout of the backend's own. */
export interface LinearWeight<T extends Tensor> {
  readonly shape: readonly number[];
  /** All that it is made of. */
  readonly tensors: readonly T[];
}

/**
 * A batch without padding: the rows of all clips stand one after another in one [R, D] tensor, and clip b owns
 * rows offsets[b] … offsets[b+1]−1. Row-wise operations need not know of it; attention and FSMN stay inside a clip.
 */
export interface Batch<T> {
  /** u32 [B + 1], rising, from 0 to R. */
  readonly offsets: T;
  /** Rows of each clip. */
  readonly lengths: readonly number[];
}

/** Scale and shift of a layer norm, f32 [D]. */
export interface Norm<T> {
  readonly gamma: T;
  readonly beta: T;
}

export interface LinearOptions<T> {
  /** Layer norm in front: x becomes layerNorm(x, norm). */
  readonly norm?: Norm<T>;
  /** f32 [N], added to every row. */
  readonly bias?: T;
  /** max(0, ·) after the bias. */
  readonly relu?: boolean;
  /** f32 [R, N], added last. */
  readonly residual?: T;
}

/** The two halves of SANM, f32 [R, D] each: multi-head attention, and the FSMN memory. */
export interface Sanm<T> {
  readonly attended: T;
  readonly memory: T;
}

/** The CTC head: logits = x · weightᵀ + bias, weight [vocab, D]. */
export interface CtcHead<T, W> {
  readonly weight: W;
  readonly bias: T;
}

/**
 * What a device must do for our networks: one model, several implementations, the same names and argument order in
 * each. T is its tensor, W its linear weight. Calls may only record; results exist once `read` resolves. Activations
 * are f32. Every operation throws a SenseVoiceError for a shape that does not fit or a tensor that was released.
 */
export interface Backend<T extends Tensor, W extends LinearWeight<T>> {
  readonly name: "reference" | "webgpu" | "cpu";
  /** What the numbers run on: an adapter's name, say. */
  readonly description: string;

  /** Copies numbers to the device: u32 as they are, floats as f32. */
  readonly upload: (tensor: HostTensor) => T;

  /** Copies the weight [N, K] of a linear layer to the device, in the layout that `linear` wants. K % 4 = 0. */
  readonly uploadLinear: (weight: Weight) => W;

  /** y = (x − mean(x)) / √(var(x) + 1e-5) · gamma + beta over each row of x [R, D]. Mean and variance in two passes. */
  readonly layerNorm: (x: T, norm: Norm<T>) => T;

  /** y = relu?(norm?(x) · weightᵀ + bias) + residual: x [R, K], weight [N, K] → [R, N]. */
  readonly linear: (x: T, weight: W, options?: LinearOptions<T>) => T;

  /**
   * Self-attention with a memory (SANM) inside each clip: qkv [R, 3D] = [q | k | v], taps [D, J] with J odd, residual
   * [R, D]. Head h owns columns h·D/heads … of q, k and v.
   *
   *     attended = softmax(q·kᵀ / √(D/heads)) · v
   *     memory[t, d] = Σⱼ taps[d, j] · v[t + j − (J−1)/2, d] + v[t, d] + residual[t, d], v being zero outside the clip
   */
  readonly sanm: (qkv: T, taps: T, heads: number, batch: Batch<T>, residual?: T) => Sanm<T>;

  /**
   * The FSMN memory of a stream that comes in pieces: y[t, d] = x[t, d] + Σⱼ taps[d, j] · x[t + j − (J−1), d]. The rows
   * before x's first are those of `history` [J−1, D], which holds the last J−1 rows up to the end of x afterwards.
   * taps [D, J], J ≥ 2; x [R, D] → [R, D].
   */
  readonly causalFsmn: (x: T, taps: T, history: T) => T;

  /**
   * The k best tokens of each row of x [R, D]: f32 [R, 2k], their ids by falling logit (of equal ones the lower id
   * first), then their log softmax(logits). `banned` is not among them, but is in the softmax. 1 ≤ k ≤ 64; there must
   * be k tokens.
   */
  readonly ctcTopK: (x: T, head: CtcHead<T, W>, k: number, banned?: number) => T;

  /** log softmax(logits)[first + r, tokens[l]] of `rows` rows of x from `first` on: tokens u32 [L] → f32 [rows, L]. */
  readonly ctcLogProbs: (x: T, head: CtcHead<T, W>, tokens: T, first: number, rows: number) => T;

  /**
   * Runs `record` and gives back to the device every tensor made in it but the one it returns (inputs and outputs of
   * tensors made outside are untouched). Scopes nest.
   */
  readonly scope: (record: () => T) => T;

  /** Gives the memory of a tensor or a weight back. */
  readonly release: (item: T | W) => void;

  /** The tensor's numbers. Everything recorded before the call is computed. */
  readonly read: (tensor: T) => Promise<Float32Array>;

  /** Parts of a run that may be under way while the next is recorded. */
  readonly partsAhead: number;

  /** Starts what is recorded; resolves once it is computed. Long work goes to the device in parts by this. */
  readonly flush: () => Promise<void>;

  /**
   * Makes the kernels ready that `record` would run, several at a time. Nothing is computed: it reads zeros. No other
   * work may go on until it has recorded; one that is not asynchronous has when the call returns.
   */
  readonly prepare: (record: () => Promise<void> | void) => Promise<void>;

  /** Bytes of device memory held, free ones in pools included. */
  readonly memory: () => number;

  readonly close: () => void;
}

/** Describes a batch of clips to a backend; see Batch. */
export function uploadBatch<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  lengths: readonly number[],
): Batch<T> {
  const offsets = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, b) => {
    offsets[b + 1] = offsets[b] + length;
  });
  return { lengths, offsets: backend.upload({ dtype: "u32", shape: [offsets.length], data: offsets }) };
}
