import { dequantize, type QuantizedTensor } from "../tensor/quantized.ts";
import { addRows, cholesky, invertLower } from "./cholesky.ts";
import type { Sizes, Statistics } from "./statistics.ts";

/**
 * λ by the mean diagonal of H. Less fits calibration sound better and other sound worse (docs/quantization.md, Studies).
 */
const RIDGE = 0.2;

/** What calibration found of a layer. */
export interface Differences {
  readonly rows: number;
  /** x̄ [K] and ē [N]. */
  readonly means: { readonly inputs: Float64Array; readonly errors: Float64Array };
  /** H [K, K]. */
  readonly covariance: Float64Array;
  /** C [N, K]. */
  readonly crossCovariance: Float64Array;
  readonly sizes: Sizes;
}

/** Puts a weight into few bits by what it hears. */
export type Quantize = (weight: Float32Array, statistics: Statistics) => QuantizedTensor | Promise<QuantizedTensor>;

/**
 * Quantises a layer y = W·x + b that gets inputs x̂ in place of x, and so lacks e = y − (W·x̂ + b) in its outputs. First
 * the weight goes to where it makes up for that,
 *
 *   W′ = W + ΔW, the least Σ ‖e − ē − ΔW·(x̂ − x̄)‖² + λ‖ΔW‖², which is ΔW = C·(H + λ·I)⁻¹
 *
 * with H = Σ (x̂ − x̄)(x̂ − x̄)ᵀ and C = Σ (e − ē)(x̂ − x̄)ᵀ. Then W′ is quantised with H in place of XᵀX, and
 * the bias takes what is left of the mean: b′ = b + ē + (W − Ŵ)·x̄ (Nagel et al. 2019, "Data-Free Quantization Through
 * Weight Equalization and Bias Correction").
 *
 * @param weight W [N, K]
 * @param bias b [N]
 */
export async function quantizeRefitted(
  { weight, bias }: { readonly weight: Float32Array; readonly bias: Float32Array },
  { rows, means, covariance, crossCovariance, sizes }: Differences,
  quantize: Quantize,
): Promise<{ weight: QuantizedTensor; bias: Float32Array }> {
  const [n, k] = [bias.length, means.inputs.length];
  const step = leastSquares(crossCovariance, covariance, [n, k]);
  const moved = weight.map((w, at) => w + step[at]);
  const quantized = await quantize(moved, { k, rows, hessian: covariance, ...sizes });
  const approximation = dequantize(quantized);
  const shifted = bias.map((b, row) => {
    let sum = b + means.errors[row];
    for (let i = 0, at = row * k; i < k; i++, at++) sum += (weight[at] - approximation[at]) * means.inputs[i];
    return sum;
  });
  return { weight: quantized, bias: shifted };
}

/** C·(H + λ·I)⁻¹ [N, K]: with H + λ·I = L·Lᵀ, a row c of C becomes (L⁻¹·c)ᵀ·L⁻¹. */
export function leastSquares(c: Float64Array, h: Float64Array, [n, k]: readonly [n: number, k: number]): Float64Array {
  const ridged = Float64Array.from(h);
  let trace = 0;
  for (let i = 0; i < k; i++) trace += h[i * k + i];
  for (let i = 0; i < k; i++) ridged[i * k + i] += (RIDGE * trace) / k || 1;
  const inverse = invertLower(cholesky(ridged, k), k);
  const out = new Float64Array(n * k);
  const solved = new Float64Array(k);
  for (let row = 0; row < n; row++) {
    const own = c.subarray(row * k, (row + 1) * k);
    for (let i = 0; i < k; i++) {
      solved[i] = 0;
      for (let j = 0, at = i * k; j <= i; j++, at++) solved[i] += inverse[at] * own[j];
    }
    addRows(out.subarray(row * k, (row + 1) * k), inverse, k, solved, 0, k);
  }
  return out;
}
