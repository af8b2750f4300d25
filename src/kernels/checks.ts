import { SenseVoiceError } from "../error.ts";
import { expectLive } from "../tensor/arena.ts";
import type { Batch, CtcHead, LinearOptions, LinearWeight, Norm, Tensor } from "../tensor/backend.ts";
import { expectShape } from "../tensor/host.ts";
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
  { norm, bias, residual }: LinearOptions<Tensor>,
): [rows: number, n: number, k: number] {
  const [rows] = rowsOf("linear", "x", x);
  const [n, k] = weight.shape;
  expectMatrix("linear", "x", x, rows, k);
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

/** Throws unless x has the rows first … first + rows − 1; returns the number of tokens. */
export function checkTokens(x: Tensor, tokens: Tensor, first: number, rows: number): number {
  const [total] = rowsOf("ctcLogProbs", "x", x);
  expectVector("ctcLogProbs", "tokens", tokens, tokens.shape[0]);
  if (!(first >= 0 && rows >= 1 && first + rows <= total)) {
    throw new SenseVoiceError(`[ctcLogProbs] rows: expected some of ${total}, got ${rows} from row ${first} on`);
  }
  return tokens.shape[0];
}
