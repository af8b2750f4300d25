import { type QuantizedTensor, unpackRow } from "../../tensor/quantized.ts";
import { linear } from "./linear.ts";

const { fround } = Math;

/** A weight of 8 bits whose products are summed as integers. */
export interface Int8Weight {
  readonly dtype: "int8";
  readonly shape: readonly [n: number, k: number];
  /** [N, K] whole numbers from −128 to 127. */
  readonly values: Float32Array;
  /** [N], or one for all. */
  readonly scales: Float32Array;
  readonly activation: "dynamic" | number;
}

export function uploadInt8(weight: QuantizedTensor): Int8Weight {
  const [n, k] = weight.shape;
  const values = new Float32Array(n * k);
  for (let j = 0; j < n; j++) values.set(unpackRow(weight, j), j * k);
  for (let i = 0; i < values.length; i++) values[i] -= 128;
  return {
    dtype: "int8",
    shape: weight.shape,
    values,
    scales: weight.scales,
    activation: weight.activation ?? "dynamic",
  };
}

/** Rows of x [R, K] as whole numbers from −127 to 127, and the scale s of each; QuantizedTensor.activation has the formula. */
export function quantizeRows(
  x: Float32Array,
  [rows, k]: readonly [rows: number, k: number],
  activation: "dynamic" | number,
): { values: Float32Array; scales: Float32Array } {
  const values = new Float32Array(rows * k);
  const scales = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * k, (r + 1) * k);
    const max = row.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    const dynamic = activation === "dynamic";
    scales[r] = dynamic ? max * fround(1 / 127) : activation;
    const factor = fround(dynamic ? (max < 1e-30 ? 0 : 127 / max) : 1 / fround(activation));
    for (let i = 0; i < k; i++) {
      values[r * k + i] = roundToEven(Math.max(-127, Math.min(127, fround(row[i] * factor))));
    }
  }
  return { values, scales };
}

/** The nearest whole number, ties to even, of |x| < 2^22: there an f32 at 1.5 · 2^23 has steps of one. */
function roundToEven(x: number): number {
  return fround(x + 12582912) - 12582912;
}

/** `linear` with both sides in int8: y = f32(Σ q·w) · (s · scale) + bias, ReLU, + residual, each step rounded to f32. */
export function linearInt8(
  x: Float32Array,
  weight: Int8Weight,
  [rows, n, k]: readonly [number, number, number],
  bias?: Float32Array,
  relu = false,
  residual?: Float32Array,
): Float32Array {
  const { values, scales } = quantizeRows(x, [rows, k], weight.activation);
  const y = linear(values, weight.values, [rows, n, k]); // sums of whole numbers: exact in f64, then rounded to f32
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < n; j++) {
      const i = r * n + j;
      const scale = fround(scales[r] * weight.scales[weight.scales.length === 1 ? 0 : j]);
      y[i] = fround(y[i] * scale) + (bias ? bias[j] : 0);
      if (relu) y[i] = Math.max(y[i], 0);
      if (residual) y[i] += residual[i];
    }
  }
  return y;
}
