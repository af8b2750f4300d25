import { type QuantizedTensor, wordsOfRow } from "../tensor/quantized.ts";
import type { Scheme } from "./scheme.ts";

/**
 * Bits that a weight takes as stored: codes of `bits` bits; scales in f16 where a row has several or none of its own
 * … in f32 where there is one for a channel or a matrix; zero points in a byte; tables in f16. Codes that pad a row
 * to whole blocks of 32 count too.
 */
export function storedBits({ codes, scales, zeros, tables, shape }: QuantizedTensor): number {
  return (
    codes.length * 32 +
    scales.length * scaleBits(scales.length, shape[0]) +
    (zeros?.length ?? 0) * 8 +
    (tables?.length ?? 0) * 16
  );
}

/** storedBits of a weight [n, k] in a symmetric scheme with scales of its own and at most one table. */
export function schemeBits({ bits, groupSize, values }: Scheme, [n, k]: readonly [n: number, k: number]): number {
  const scales = n * Math.ceil(k / (groupSize ?? k));
  const codes = n * wordsOfRow({ shape: [n, k], bits }) * 32;
  return codes + scales * scaleBits(scales, n) + (values === "table" ? 2 ** bits * 16 : 0);
}

/** Scales are kept in f16 if there are groups, in f32 if there is one to a channel or to the matrix. */
export function scaleBits(scales: number, channels: number): 16 | 32 {
  return scales > channels ? 16 : 32;
}

/** Stored bits of all these weights, by the weight. */
export function bitsPerWeight(weights: readonly QuantizedTensor[]): number {
  const bits = weights.reduce((sum, weight) => sum + storedBits(weight), 0);
  return bits / weights.reduce((sum, { shape: [n, k] }) => sum + n * k, 0);
}
