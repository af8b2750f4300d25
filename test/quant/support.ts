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
    for (let c = 0; c < rank; c++)
      for (let i = 0; i < k; i++) x[r * k + i] += noise[r * rank + c] * mix[c * k + i];
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
