import { halfScales, type QuantizedTensor, wordsOfRow } from "../tensor/quantized.ts";
import { stepsOf } from "../tensor/scaleSteps.ts";
import type { Scheme } from "./scheme.ts";

/**
 * Bits that a weight takes as stored: codes of `bits` bits; scales in f16, or as steps, where a row has several, in f32
 * where there is one for a channel or a matrix; zero points in a byte; tables in f16. Codes that pad a row to whole blocks
 * of 32 count too.
 */
export function storedBits(weight: QuantizedTensor): number {
  const { codes, scales, zeros, tables, shape } = weight;
  const halves = halfScales(weight);
  const stepped = halves !== undefined && stepsOf(halves, shape[0]) !== undefined;
  return (
    codes.length * 32 +
    bitsOfScales(scales.length, shape[0], stepped) +
    (zeros?.length ?? 0) * 8 +
    (tables?.length ?? 0) * 16
  );
}

/** storedBits of a weight [n, k] in a symmetric scheme with scales of its own and at most one table. */
export function schemeBits(
  { bits, groupSize, values, scaleBits }: Scheme,
  [n, k]: readonly [n: number, k: number],
): number {
  const scales = n * Math.ceil(k / (groupSize ?? k));
  const codes = n * wordsOfRow({ shape: [n, k], bits }) * 32;
  return codes + bitsOfScales(scales, n, scaleBits !== undefined) + (values === "table" ? 2 ** bits * 16 : 0);
}

/** Scales are kept in f16 if there are groups, or in a byte with a step in f32 a row; in f32 if there is one to a row or to all. */
function bitsOfScales(scales: number, rows: number, stepped: boolean): number {
  if (scales <= rows) return scales * 32;
  return stepped ? scales * 8 + rows * 32 : scales * 16;
}

/** Stored bits of all these weights, by the weight. */
export function bitsPerWeight(weights: readonly QuantizedTensor[]): number {
  const bits = weights.reduce((sum, weight) => sum + storedBits(weight), 0);
  return bits / weights.reduce((sum, { shape: [n, k] }) => sum + n * k, 0);
}
