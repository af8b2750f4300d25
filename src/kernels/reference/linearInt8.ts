import { f32Scales, type QuantizedTensor, valuesOf } from "../../tensor/quantized.ts";

const { fround } = Math;

/** A weight whose products are summed as integers. */
export interface Int8Weight {
  /** [N, K] */
  readonly values: Int8Array;
  readonly groupSize: number;
  /** [N, G], or one for all. */
  readonly scales: Float32Array;
  readonly activation: "dynamic" | number;
}

export function uploadInt8(weight: QuantizedTensor): Int8Weight {
  const { groupSize, activation = "dynamic" } = weight;
  return { values: Int8Array.from(valuesOf(weight)), groupSize, scales: f32Scales(weight).slice(), activation };
}

/** Rows of x [R, K] as whole numbers from −127 to 127, and the scale s of each; QuantizedTensor.activation has the formula. */
export function quantizeRows(
  x: Float32Array,
  [rows, k]: readonly [rows: number, k: number],
  activation: "dynamic" | number,
): { values: Int8Array; scales: Float32Array } {
  const values = new Int8Array(rows * k);
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

/**
 * `linear` with both sides in int8, x as `quantizeRows` gives it: y = (Σ_g Σ_{k in g} q·w · scale(n, g)) · s + bias + residual, ReLU. Sums within a
 * group are exact; from there each step is rounded to f32.
 */
export function linearInt8(
  q: { readonly values: ArrayLike<number>; readonly scales: Float32Array },
  { values, groupSize, scales }: Int8Weight,
  [rows, n, k]: readonly [number, number, number],
  bias?: Float32Array,
  relu = false,
  residual?: Float32Array,
): Float32Array {
  const groups = Math.ceil(k / groupSize);
  const y = new Float32Array(rows * n);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < n; j++) {
      let total = 0;
      for (let g = 0; g < groups; g++) {
        let sum = 0; // of whole numbers: exact in f64
        const end = Math.min((g + 1) * groupSize, k);
        for (let i = g * groupSize; i < end; i++) sum += q.values[r * k + i] * values[j * k + i];
        const scale = scales[scales.length === 1 ? 0 : j * groups + g];
        total = fround(total + fround(fround(sum) * scale));
      }
      const i = r * n + j;
      y[i] = fround(total * q.scales[r]) + (bias ? bias[j] : 0);
      if (residual) y[i] += residual[i];
      if (relu) y[i] = Math.max(y[i], 0);
    }
  }
  return y;
}
