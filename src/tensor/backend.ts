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
  /** Or ReLU in front: x, which may have more columns then, becomes relu(x, rectify). */
  readonly rectify?: Norm<T>;
  /** f32 [N], added to every row. */
  readonly bias?: T;
  /** f32 [R, N], added to the result. */
  readonly residual?: T;
  /** max(0, ·) of all that. */
  readonly relu?: boolean;
}

export type ConvolveOptions<T> = Omit<LinearOptions<T>, "norm" | "rectify">;

/** Clips of one size in one tensor: row (clip·height + i)·width + j holds the channels of place (i, j). */
export interface Grid {
  readonly clips: number;
  readonly height: number;
  readonly width: number;
}

/** A convolution over a Grid; one over time alone has a height of 1. Kernel sizes are odd. */
export interface Convolution {
  /** C of its input. */
  readonly channels: number;
  readonly kernel: readonly [height: number, width: number];
  readonly stride: readonly [height: number, width: number];
  readonly dilation: number;
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

  /** y = relu?(norm?(x) · weightᵀ + bias + residual): x [R, K], weight [N, K] → [R, N]; see LinearOptions for `rectify`. */
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
   * y[i, j] = relu?(weight · [x[s·i + d·(a − ⌊h/2⌋), s·j + d·(b − ⌊w/2⌋)] for a < h for b < w] + bias + residual), with
   * kernel h × w, a stride s for each direction and dilation d; x is zero outside its clip. x has clips·height·width·C
   * numbers, in whatever shape; weight [N, K], K = h·w·C rounded up to a multiple of 4 with zeros → [R, N], the rows of
   * `convolvedGrid`. Where the weight asks for int8 activations a whole clip of x is what a row is for `linear`: it has one
   * scale, so that a place is rounded once and not in each patch.
   */
  readonly convolve: (x: T, weight: W, convolution: Convolution, grid: Grid, options?: ConvolveOptions<T>) => T;

  /** y = max(0, x · gamma + beta) of the first D columns of x [R, ≥ D], gamma and beta [D]; max(0, x) without a norm. */
  readonly relu: (x: T, norm?: Norm<T>) => T;

  /** Room for more columns: x [R, D] → [R, width], of which those from D on are undefined until `gate` writes them. */
  readonly widen: (x: T, width: number) => T;

  /**
   * Writes y · sigmoid(gates) into the columns of `wide` [R, ≥ column + D] from `column` on and returns it: y [R, D] is of
   * `clips` clips of equal length, gates [clips·⌈rows/segment⌉, D] hold a row for every `segment` rows of a clip.
   */
  readonly gate: (wide: T, column: number, y: T, gates: T, clips: number, segment: number) => T;

  /**
   * Mean over all of a clip's rows plus mean over those of a segment of `segment` rows (the last may have fewer): x [R, D] of
   * `clips` clips of equal length → [clips·⌈rows/segment⌉, D].
   */
  readonly context: (x: T, clips: number, segment: number) => T;

  /**
   * [mean ‖ √(Σ(x − mean)² / (rows − 1))] of each column over the rows of each clip, in two passes: x [R, D] of `clips` clips
   * of equal length, 2 rows or more → [clips, 2D].
   */
  readonly statistics: (x: T, clips: number) => T;

  /**
   * The k best tokens of each row of x [R, D]: f32 [R, 2k + 1], their ids by falling logit (of equal ones the lower id
   * first), then their log softmax(logits), then log Σ exp(logits). `banned` is not among them, but is in the softmax. 1 ≤ k ≤ 64; there must
   * be k tokens.
   */
  readonly ctcTopK: (x: T, head: CtcHead<T, W>, k: number, banned?: number) => T;

  /**
   * log softmax(logits)[first + r, tokens[l]] of `rows` rows of x from `first` on: tokens u32 [L] → f32 [rows, L]. Where
   * log Σ exp(logits) of these rows is known, logSums f32 [rows], no other logits need be computed.
   */
  readonly ctcLogProbs: (x: T, head: CtcHead<T, W>, tokens: T, first: number, rows: number, logSums?: T) => T;

  /**
   * Runs `record` and gives back to the device every tensor made in it but the one it returns (inputs and outputs of
   * tensors made outside are untouched). Scopes nest.
   */
  readonly scope: (record: () => T) => T;

  /**
   * What `record` makes of `clips` clips, the rows of one below those of another, where no clip's depend on another's: [R, D].
   * It may be asked for parts of them, `count` clips from `first` on, which are computed side by side: on the CPU by a thread
   * each, that then waits for no other one.
   */
  readonly inParts: (clips: number, record: (first: number, count: number) => T) => T;

  /** Gives the memory of a tensor or a weight back. */
  readonly release: (item: T | W) => void;

  /** The tensor's numbers. Everything recorded before the call is computed. */
  readonly read: (tensor: T) => Promise<Float32Array>;

  /** Clips of a second or two that are best computed together: enough to fill the device, few enough for its caches. */
  readonly clipsTogether: number;

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

/** The places where a convolution's output is. */
export function convolvedGrid({ stride }: Convolution, { clips, height, width }: Grid): Grid {
  return { clips, height: Math.ceil(height / stride[0]), width: Math.ceil(width / stride[1]) };
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
