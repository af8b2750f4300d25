import { SenseVoiceError } from "../error.ts";
import type { LinearOptions, LinearWeight, Norm, Segments, Tensor } from "../tensor/backend.ts";
import { expectShape } from "../tensor/host.ts";
import { checkQuantized, type Weight } from "../tensor/quantized.ts";

/** The shapes every backend demands, in one place: each check returns the sizes that its operation works with. */

function rowsOf(where: string, name: string, x: Tensor): [rows: number, columns: number] {
  if (x.shape.length !== 2) {
    throw new SenseVoiceError(
      `[${where}] ${name}: expected two dimensions [rows, width], got [${x.shape.join(", ")}]`,
    );
  }
  return [x.shape[0], x.shape[1]];
}

export function checkLayerNorm(x: Tensor, { gamma, beta }: Norm): [rows: number, d: number] {
  const [rows, d] = rowsOf("layerNorm", "x", x);
  expectShape("layerNorm", "gamma", gamma.shape, [d]);
  expectShape("layerNorm", "beta", beta.shape, [d]);
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
  weight: LinearWeight,
  options: LinearOptions,
): [rows: number, n: number, k: number] {
  const [rows] = rowsOf("linear", "x", x);
  const [n, k] = weight.shape;
  expectShape("linear", "x", x.shape, [rows, k]);
  if (options.norm) checkLayerNorm(x, options.norm);
  if (options.bias) expectShape("linear", "bias", options.bias.shape, [n]);
  if (options.residual) expectShape("linear", "residual", options.residual.shape, [rows, n]);
  return [rows, n, k];
}

function checkSegments(where: string, rows: number, segments: Segments): void {
  expectShape(where, "segments", segments.offsets.shape, [segments.lengths.length + 1]);
  const total = segments.lengths.reduce((sum, length) => sum + length, 0);
  if (total !== rows) {
    throw new SenseVoiceError(`[${where}] segments: expected ${rows} rows in all, got ${total}`);
  }
}

export function checkAttention(
  qkv: Tensor,
  heads: number,
  segments: Segments,
): [rows: number, d: number, width: number] {
  const [rows, columns] = rowsOf("attention", "qkv", qkv);
  const width = columns / 3 / heads;
  if (width % 4 !== 0) {
    throw new SenseVoiceError(
      `[attention] qkv: expected 3 × ${heads} heads of a multiple of 4, got ${columns} columns`,
    );
  }
  checkSegments("attention", rows, segments);
  return [rows, columns / 3, width];
}

export function checkFsmn(
  qkv: Tensor,
  taps: Tensor,
  segments: Segments,
  residual?: Tensor,
): [rows: number, d: number, j: number] {
  const [rows] = rowsOf("fsmn", "qkv", qkv);
  const [d, j] = rowsOf("fsmn", "taps", taps);
  if (j % 2 !== 1) throw new SenseVoiceError(`[fsmn] taps: expected an odd number, got ${j}`);
  expectShape("fsmn", "qkv", qkv.shape, [rows, 3 * d]);
  if (residual) expectShape("fsmn", "residual", residual.shape, [rows, d]);
  checkSegments("fsmn", rows, segments);
  return [rows, d, j];
}

export function checkTokens(x: Tensor, tokens: Tensor, segments: Segments): [batch: number, columns: number] {
  const [batch, columns] = rowsOf("ctcLogProbs", "tokens", tokens);
  expectShape("ctcLogProbs", "tokens", tokens.shape, [segments.lengths.length, columns]);
  checkSegments("ctcLogProbs", x.shape[0], segments);
  return [batch, columns];
}
