import type { DType, HostTensor } from "./host.ts";
import type { Weight } from "./quantized.ts";

/** A tensor that lives on a device: what it is. Each backend adds where it is. Row-major. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * A batch without padding: the rows of all clips stand one after another in one [R, D] tensor, and clip b owns
 * rows offsets[b] … offsets[b+1]−1. Row-wise operations need not know of it; attention and FSMN stay inside a clip.
 */
export interface Segments {
  /** u32 [B + 1], rising, from 0 to R. */
  readonly offsets: Tensor;
  /** Rows of each clip. */
  readonly lengths: readonly number[];
}

/** Scale and shift of a layer norm, f32 [D]. */
export interface Norm {
  readonly gamma: Tensor;
  readonly beta: Tensor;
}

/** The weight [N, K] of a linear layer on a device, in a layout of the backend's own. */
export interface LinearWeight {
  readonly shape: readonly number[];
}

export interface LinearOptions {
  /** Layer norm in front: x becomes layerNorm(x, norm). */
  readonly norm?: Norm;
  /** f32 [N], added to every row. */
  readonly bias?: Tensor;
  /** max(0, ·) after the bias. */
  readonly relu?: boolean;
  /** f32 [R, N], added last. */
  readonly residual?: Tensor;
}

/** The CTC head: logits = x · weightᵀ + bias, weight [vocab, D]. */
export interface CtcHead {
  readonly weight: LinearWeight;
  readonly bias: Tensor;
}

/**
 * What a device must do for SenseVoice: one model, several implementations, the same names and argument order in
 * each. Calls may only record; results exist once `read` resolves. Activations are f32.
 */
export interface Backend {
  readonly name: "reference" | "webgpu" | "wasm";
  /** What the numbers run on, for people: an adapter's name, say. */
  readonly description: string;

  /** Copies numbers to the device. */
  upload(tensor: HostTensor): Tensor;

  /** Copies the weight [N, K] of a linear layer to the device, in the layout that `linear` wants. K % 4 = 0. */
  uploadLinear(weight: Weight): LinearWeight;

  /** y = (x − mean(x)) / √(var(x) + 1e-5) · gamma + beta over each row of x [R, D]. Mean and variance in two passes. */
  layerNorm(x: Tensor, norm: Norm): Tensor;

  /** y = relu?(norm?(x) · weightᵀ + bias) + residual: x [R, K], weight [N, K] → [R, N]. */
  linear(x: Tensor, weight: LinearWeight, options?: LinearOptions): Tensor;

  /**
   * Multi-head self-attention inside each clip: qkv [R, 3D] = [q | k | v], head h owns columns h·D/heads … of each;
   * softmax(q·kᵀ / √(D/heads)) · v → [R, D].
   */
  attention(qkv: Tensor, heads: number, segments: Segments): Tensor;

  /**
   * The FSMN memory of SANM: a depthwise convolution over the time of v = qkv[:, 2D…3D], zero outside the clip,
   * plus v itself, plus the residual: y[t, d] = Σⱼ taps[d, j] · v[t + j − (taps−1)/2, d] + v[t, d] + residual[t, d].
   * taps [D, J], J odd; residual [R, D] → [R, D].
   */
  fsmn(qkv: Tensor, taps: Tensor, segments: Segments, residual?: Tensor): Tensor;

  /**
   * For each row of x [R, D] the best token and its probability: f32 [R, 2]. The probability is softmax's over the
   * whole vocabulary; `banned` is a token that may not win (its share of the softmax stays). Ties go to the lower id.
   */
  ctcGreedy(x: Tensor, head: CtcHead, banned?: number): Tensor;

  /** log softmax(logits)[r, tokens[b, l]] for the rows r of clip b: tokens u32 [B, L] → f32 [R, L]. */
  ctcLogProbs(x: Tensor, head: CtcHead, tokens: Tensor, segments: Segments): Tensor;

  /**
   * Runs `record` and gives back to the device every tensor made in it but the one it returns (inputs and outputs of
   * tensors made outside are untouched). Scopes nest.
   */
  scope(record: () => Tensor): Tensor;

  /** Gives a tensor's memory back. */
  release(tensor: Tensor): void;

  /** The tensor's numbers. Everything recorded before the call is computed. */
  read(tensor: Tensor): Promise<Float32Array>;

  /** Bytes of device memory held, free ones in pools included. */
  memory(): number;

  close(): void;
}

/** Describes a batch of clips to a backend; see Segments. */
export function uploadSegments(backend: Backend, lengths: readonly number[]): Segments {
  const offsets = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, b) => {
    offsets[b + 1] = offsets[b] + length;
  });
  return { lengths, offsets: backend.upload({ dtype: "u32", shape: [offsets.length], data: offsets }) };
}
