import { addRows, cholesky, invertLower } from "./cholesky.ts";
import { type Grid, levelsOf, nearest, scalesOfRow } from "./grid.ts";

/**
 * Share of H's mean diagonal that is added to its diagonal. GPTQ takes 1 %; more fits calibration sound less closely,
 * which helps in a w_2, whose inputs ReLU leaves sparse (docs/quantization.md, Studies).
 */
const DAMPING = 0.05;
/** Columns after which the errors so far are carried to the columns beyond. */
const BLOCK_COLUMNS = 32;

/** A layer's Hessian, made ready for any number of weights that see the same inputs. */
export interface Compensation {
  /** See actOrder. */
  readonly order: Uint32Array;
  /** L⁻¹ for the Cholesky factor L of H in that order, [K, K]. */
  readonly inverse: Float64Array;
}

/** H + λ·mean(diag H)·I, so that it can be inverted; inputs that are always 0 included. */
export function damped(hessian: Float64Array, k: number): Float64Array {
  const out = Float64Array.from(hessian);
  const damping = dampingOf(diagonalOf(hessian, k));
  for (let i = 0; i < k; i++) out[i * k + i] += damping;
  return out;
}

/** What is added to a Hessian's diagonal [K]. */
export function dampingOf(diagonal: Float64Array): number {
  return (DAMPING * diagonal.reduce((sum, h) => sum + h, 0)) / diagonal.length || 1;
}

export function diagonalOf(matrix: Float64Array, k: number): Float64Array {
  return Float64Array.from({ length: k }, (_, i) => matrix[i * k + i]);
}

/** Columns by rising Hᵢᵢ, of equal ones the later first: they are rounded from the last to the first. */
export function actOrder(diagonal: Float64Array): Uint32Array {
  return Uint32Array.from(diagonal.keys()).sort((a, b) => diagonal[a] - diagonal[b] || b - a);
}

/** Takes the damped Hessian [K, K]. */
export function prepareCompensation(hessian: Float64Array, k: number): Compensation {
  const order = actOrder(diagonalOf(hessian, k));
  const permuted = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j <= i; j++) permuted[i * k + j] = hessian[order[i] * k + order[j]];
  }
  return { order, inverse: invertLower(cholesky(permuted, k), k) };
}

/**
 * GPTQ (Frantar et al. 2022): rounds the weights of a row one after another, and moves those still to come so that
 * they undo the error's effect on the layer's output, tr((W − Ŵ)·H·(W − Ŵ)ᵀ).
 *
 * With the columns taken from the last to the first, and H = L·Lᵀ: rounding wᵢ to q moves the weights j < i by
 * −(wᵢ − q) · L⁻¹ᵢⱼ / L⁻¹ᵢᵢ. (The paper goes forwards, with an upper triangle; this needs one factorisation fewer.)
 * Columns with the largest Hᵢᵢ come first ("act-order"); scales are those of the grid.
 *
 * @returns codes [N, K], one a byte
 */
export function gptq(grid: Grid, weight: Float32Array, { order, inverse }: Compensation): Uint8Array {
  const [n, k] = grid.shape;
  const { groupSize } = grid;
  const levels = levelsOf(grid);
  const codes = new Uint8Array(n * k);
  const rest = new Float64Array(k);
  const errors = new Float64Array(k);
  for (let row = 0; row < n; row++) {
    const scales = scalesOfRow(grid, row);
    for (let i = 0; i < k; i++) rest[i] = weight[row * k + order[i]];
    for (let end = k; end > 0; end -= BLOCK_COLUMNS) {
      const start = Math.max(0, end - BLOCK_COLUMNS);
      for (let i = end - 1; i >= start; i--) {
        const group = Math.floor(order[i] / groupSize);
        const table = levels(row, group);
        const code = nearest(table, rest[i] / scales[group]);
        codes[row * k + order[i]] = code;
        const at = i * k;
        errors[i] = (table[code] * scales[group] - rest[i]) / inverse[at + i];
        for (let j = start; j < i; j++) rest[j] += errors[i] * inverse[at + j];
      }
      addRows(rest, inverse, k, errors, start, end, start);
    }
  }
  return codes;
}
