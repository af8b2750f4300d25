import { SenseVoiceError } from "../error.ts";
import { expectLive } from "../tensor/arena.ts";
import {
  type Batch,
  type Convolution,
  type ConvolveOptions,
  type CtcHead,
  convolvedGrid,
  type Grid,
  type LinearOptions,
  type LinearWeight,
  type Norm,
  type Tensor,
} from "../tensor/backend.ts";
import { elementCount, expectShape } from "../tensor/host.ts";
import { checkQuantized, type Weight } from "../tensor/quantized.ts";

/** What every backend demands, in one place: each check returns the sizes that its operation works with. */

// They run for each layer of each run, so nothing is made unless something is wrong.

function expectVector(where: string, name: string, tensor: Tensor, size: number): void {
  expectLive(where, name, tensor);
  const { shape } = tensor;
  if (shape.length !== 1 || shape[0] !== size) expectShape(where, name, shape, [size]);
}

function expectMatrix(where: string, name: string, tensor: Tensor, rows: number, columns: number): void {
  expectLive(where, name, tensor);
  const { shape } = tensor;
  if (shape.length !== 2 || shape[0] !== rows || shape[1] !== columns) expectShape(where, name, shape, [rows, columns]);
}

export function rowsOf(where: string, name: string, x: Tensor): [rows: number, columns: number] {
  expectLive(where, name, x);
  if (x.shape.length !== 2) {
    throw new SenseVoiceError(`[${where}] ${name}: expected two dimensions [rows, width], got [${x.shape.join(", ")}]`);
  }
  return [x.shape[0], x.shape[1]];
}

export function checkLayerNorm(x: Tensor, { gamma, beta }: Norm<Tensor>): [rows: number, d: number] {
  const [rows, d] = rowsOf("layerNorm", "x", x);
  expectVector("layerNorm", "gamma", gamma, d);
  expectVector("layerNorm", "beta", beta, d);
  return [rows, d];
}

/** K % 4 = 0, so that a row can be read four numbers at a time. */
export function checkLinearWeight(weight: Weight): [n: number, k: number] {
  const [n, k] = weight.shape;
  if (weight.shape.length !== 2 || k % 4 !== 0) {
    throw new SenseVoiceError(
      `[linear] weight: expected [N, K] with K a multiple of 4, got [${weight.shape.join(", ")}]`,
    );
  }
  if (weight.dtype === "quantized") checkQuantized("linear", weight);
  return [n, k];
}

export function checkLinear(
  x: Tensor,
  weight: LinearWeight<Tensor>,
  { norm, rectify, bias, residual }: LinearOptions<Tensor>,
): [rows: number, n: number, k: number] {
  const [rows, width] = rowsOf("linear", "x", x);
  const [n, k] = weight.shape;
  if (norm && rectify) throw new SenseVoiceError("[linear] expected norm or rectify, got both");
  if (rectify) {
    checkRelu(x, rectify);
    expectVector("linear", "rectify", rectify.gamma, k);
  } else if (width !== k) expectMatrix("linear", "x", x, rows, k);
  for (const tensor of weight.tensors) expectLive("linear", "weight", tensor);
  if (norm) checkLayerNorm(x, norm);
  if (bias) expectVector("linear", "bias", bias, n);
  if (residual) expectMatrix("linear", "residual", residual, rows, n);
  return [rows, n, k];
}

function checkBatch(where: string, rows: number, { offsets, lengths }: Batch<Tensor>): void {
  expectVector(where, "batch", offsets, lengths.length + 1);
  let total = 0;
  for (const length of lengths) total += length;
  if (total !== rows) {
    throw new SenseVoiceError(`[${where}] batch: expected ${rows} rows in all, got ${total}`);
  }
}

/** Sizes of `sanm`: D, a head's width, and J. */
export interface SanmSizes {
  readonly rows: number;
  readonly d: number;
  readonly width: number;
  readonly j: number;
}

export function checkSanm(
  qkv: Tensor,
  taps: Tensor,
  heads: number,
  batch: Batch<Tensor>,
  residual?: Tensor,
): SanmSizes {
  const [rows, columns] = rowsOf("sanm", "qkv", qkv);
  const [d, j] = rowsOf("sanm", "taps", taps);
  const width = columns / 3 / heads;
  if (width % 4 !== 0) {
    throw new SenseVoiceError(`[sanm] qkv: expected 3 × ${heads} heads of a multiple of 4, got ${columns} columns`);
  }
  if (j % 2 !== 1) throw new SenseVoiceError(`[sanm] taps: expected an odd number, got ${j}`);
  expectMatrix("sanm", "taps", taps, columns / 3, j);
  if (residual) expectMatrix("sanm", "residual", residual, rows, d);
  checkBatch("sanm", rows, batch);
  return { rows, d, width, j };
}

export function checkCausalFsmn(x: Tensor, taps: Tensor, history: Tensor): [rows: number, d: number, j: number] {
  const [rows] = rowsOf("causalFsmn", "x", x);
  const [d, j] = rowsOf("causalFsmn", "taps", taps);
  if (j < 2) throw new SenseVoiceError(`[causalFsmn] taps: expected two or more, got ${j}`);
  expectMatrix("causalFsmn", "x", x, rows, d);
  expectMatrix("causalFsmn", "history", history, j - 1, d);
  return [rows, d, j];
}

/** K of a convolution's weight. */
export function patchSize({ channels, kernel: [height, width] }: Convolution): number {
  return Math.ceil((height * width * channels) / 4) * 4;
}

/** Sizes of `convolve`: rows and columns of its output, whose places `out` has. */
export interface ConvolveSizes {
  readonly rows: number;
  readonly n: number;
  readonly k: number;
  readonly out: Grid;
}

export function checkConvolve(
  x: Tensor,
  weight: LinearWeight<Tensor>,
  convolution: Convolution,
  grid: Grid,
  { bias, residual }: ConvolveOptions<Tensor>,
): ConvolveSizes {
  expectLive("convolve", "x", x);
  const { channels, kernel } = convolution;
  const { clips, height, width } = grid;
  if (elementCount(x.shape) !== clips * height * width * channels) {
    expectShape("convolve", "x", x.shape, [clips * height * width, channels]);
  }
  if (kernel.some((size) => size % 2 === 0)) {
    throw new SenseVoiceError(`[convolve] kernel: expected odd sizes, got [${kernel.join(", ")}]`);
  }
  const [n, k] = [weight.shape[0], patchSize(convolution)];
  if (weight.shape[1] !== k) expectShape("convolve", "weight", weight.shape, [n, k]);
  for (const tensor of weight.tensors) expectLive("convolve", "weight", tensor);
  const out = convolvedGrid(convolution, grid);
  const rows = out.clips * out.height * out.width;
  if (bias) expectVector("convolve", "bias", bias, n);
  if (residual) expectMatrix("convolve", "residual", residual, rows, n);
  return { rows, n, k, out };
}

export function checkRelu(x: Tensor, norm?: Norm<Tensor>): [rows: number, d: number, width: number] {
  const [rows, width] = rowsOf("relu", "x", x);
  if (!norm) return [rows, width, width];
  const d = norm.gamma.shape[0];
  expectVector("relu", "gamma", norm.gamma, Math.min(d, width));
  expectVector("relu", "beta", norm.beta, d);
  return [rows, d, width];
}

export function checkWiden(x: Tensor, width: number): [rows: number, d: number] {
  const [rows, d] = rowsOf("widen", "x", x);
  if (!(Number.isInteger(width) && width >= d)) {
    throw new SenseVoiceError(`[widen] width: expected ${d} or more, got ${width}`);
  }
  return [rows, d];
}

/** Rows of each of `clips` clips of equal length, and the segments that they make. */
function clipRows(where: string, rows: number, clips: number, segment: number): [rows: number, segments: number] {
  if (!(Number.isInteger(clips) && clips >= 1 && rows >= clips && rows % clips === 0)) {
    throw new SenseVoiceError(`[${where}] clips: expected ${rows} rows in equal parts, got ${clips} parts`);
  }
  if (!(Number.isInteger(segment) && segment >= 1)) {
    throw new SenseVoiceError(`[${where}] segment: expected one row or more, got ${segment}`);
  }
  return [rows / clips, Math.ceil(rows / clips / segment)];
}

/** Sizes of `gate` and `context`: D columns, and the rows and segments of a clip. */
export interface SegmentSizes {
  readonly d: number;
  readonly length: number;
  readonly segments: number;
}

export function checkContext(x: Tensor, clips: number, segment: number): SegmentSizes {
  const [rows, d] = rowsOf("context", "x", x);
  const [length, segments] = clipRows("context", rows, clips, segment);
  return { d, length, segments };
}

export function checkGate(
  wide: Tensor,
  column: number,
  y: Tensor,
  gates: Tensor,
  clips: number,
  segment: number,
): SegmentSizes {
  const [rows, d] = rowsOf("gate", "y", y);
  const width = rowsOf("gate", "wide", wide)[1];
  if (!(Number.isInteger(column) && column >= 0 && column + d <= width)) {
    throw new SenseVoiceError(`[gate] column: expected ${d} columns of ${width}, got those from ${column} on`);
  }
  expectMatrix("gate", "wide", wide, rows, width);
  const [length, segments] = clipRows("gate", rows, clips, segment);
  expectMatrix("gate", "gates", gates, clips * segments, d);
  return { d, length, segments };
}

export function checkStatistics(x: Tensor, clips: number): [length: number, d: number] {
  const [rows, d] = rowsOf("statistics", "x", x);
  const [length] = clipRows("statistics", rows, clips, 1);
  if (length < 2) throw new SenseVoiceError("[statistics] x: expected two rows of each clip or more, got one");
  return [length, d];
}

const MAX_K = 64;

/** x and the head as for `linear`, and k tokens to choose from. */
export function checkTopK(
  x: Tensor,
  { weight, bias }: CtcHead<Tensor, LinearWeight<Tensor>>,
  k: number,
  banned?: number,
): [rows: number, vocab: number] {
  const [rows, vocab] = checkLinear(x, weight, { bias });
  const most = Math.min(MAX_K, banned === undefined ? vocab : vocab - 1);
  if (!(Number.isInteger(k) && k >= 1 && k <= most)) {
    throw new SenseVoiceError(`[ctcTopK] k: expected 1 to ${most}, got ${k}`);
  }
  return [rows, vocab];
}

/** Throws unless x has the rows first … first + rows − 1, and logSums a number for each; returns the number of tokens. */
export function checkTokens(x: Tensor, tokens: Tensor, first: number, rows: number, logSums?: Tensor): number {
  const [total] = rowsOf("ctcLogProbs", "x", x);
  expectVector("ctcLogProbs", "tokens", tokens, tokens.shape[0]);
  if (!(first >= 0 && rows >= 1 && first + rows <= total)) {
    throw new SenseVoiceError(`[ctcLogProbs] rows: expected some of ${total}, got ${rows} from row ${first} on`);
  }
  if (logSums) expectVector("ctcLogProbs", "logSums", logSums, rows);
  return tokens.shape[0];
}
