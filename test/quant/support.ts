import { type Grid, levelsOf, scalesOfRow } from "../../src/quant/grid.ts";
import { accumulate, createStatistics, type Statistics } from "../../src/quant/statistics.ts";
import { randomizer } from "../support/random.ts";

/** Inputs whose columns depend on each other, as a model's do: [rows, k] = noise · a mixing matrix, plus a little. */
export function correlatedInputs(seed: number, rows: number, k: number): Float32Array {
  const random = randomizer(seed);
  const rank = Math.ceil(k / 4);
  const noise = random([rows, rank]).data;
  const mix = random([rank, k]).data;
  const x = random([rows, k], 0.1).data as Float32Array;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < rank; c++) for (let i = 0; i < k; i++) x[r * k + i] += noise[r * rank + c] * mix[c * k + i];
  }
  return x;
}

export function statisticsOf(x: Float32Array, k: number): Statistics {
  const stats = createStatistics(k);
  accumulate(stats, x, x.length / k, k);
  return stats;
}

/** Weights [n, k] with the bell shape that trained ones have. */
export function bellWeights(seed: number, n: number, k: number): Float32Array {
  const random = randomizer(seed);
  const parts = Array.from({ length: 6 }, () => random([n, k], 0.02).data);
  return Float32Array.from({ length: n * k }, (_, i) => parts.reduce((sum, part) => sum + part[i], 0));
}

export const f32 = (...values: number[]) => Float32Array.from(values);

/** Positive definite, every input depending on the others. */
export function hessianOf(seed: number, k: number): Float64Array {
  const { hessian } = statisticsOf(correlatedInputs(seed, 4 * k, k), k);
  return hessian.map((value, i) => value + (i % (k + 1) === 0 ? 1 : 0));
}

/** What each weight is in a grid. */
export function approximation(grid: Grid, codes: Uint8Array): Float32Array {
  const [n, k] = grid.shape;
  const levels = levelsOf(grid);
  return Float32Array.from({ length: n * k }, (_, at) => {
    const [row, group] = [Math.floor(at / k), Math.floor((at % k) / grid.groupSize)];
    return levels(row, group)[codes[at]] * scalesOfRow(grid, row)[group];
  });
}

/** Σ over rows of e·H·eᵀ by its definition. */
export function plainError(difference: readonly number[], hessian: Float64Array, k: number): number {
  let sum = 0;
  for (let row = 0; row < difference.length; row += k) {
    for (let i = 0; i < k; i++) {
      for (let j = 0; j < k; j++) sum += difference[row + i] * hessian[i * k + j] * difference[row + j];
    }
  }
  return sum;
}

/** The inverse by Gauss and Jordan. */
export function inverse(matrix: readonly (readonly number[])[]): number[][] {
  const size = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < size; i++) {
    const pivot = rows[i][i];
    rows[i] = rows[i].map((x) => x / pivot);
    for (let r = 0; r < size; r++) {
      const factor = rows[r][i];
      if (r !== i) rows[r] = rows[r].map((x, c) => x - factor * rows[i][c]);
    }
  }
  return rows.map((row) => row.slice(size));
}
