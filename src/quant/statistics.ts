import { SenseVoiceError } from "../error.ts";

/** The sizes of a layer's inputs. */
export interface Sizes {
  /** The largest |x|. */
  absMax: number;
  /** Counts of |x| by size, in bins of a factor 2^(1/8) from 2^-32 up; 0 and less than that in the first. */
  readonly histogram: Float64Array;
}

/** What calibration keeps of the inputs X [rows, K] that a linear layer saw. */
export interface Statistics extends Sizes {
  readonly k: number;
  rows: number;
  /** Σ xᵀx, [K, K]: half of GPTQ's Hessian 2·XᵀX; the factor changes nothing. */
  readonly hessian: Float64Array;
}

const BINS_PER_OCTAVE = 8;
const OCTAVES = 64;
const LOWEST = -32;

export function createSizes(): Sizes {
  return { absMax: 0, histogram: new Float64Array(OCTAVES * BINS_PER_OCTAVE) };
}

export function createStatistics(k: number): Statistics {
  return { k, rows: 0, hessian: new Float64Array(k * k), ...createSizes() };
}

/** Adds inputs to the sizes. Throws a SenseVoiceError on NaN or ∞. */
export function countSizes(sizes: Sizes, x: Float32Array): void {
  const { histogram } = sizes;
  for (const value of x) {
    const size = Math.abs(value);
    if (!(size < Number.POSITIVE_INFINITY)) throw notFinite(value);
    sizes.absMax = Math.max(sizes.absMax, size);
    const bin = Math.floor((Math.log2(size) - LOWEST) * BINS_PER_OCTAVE);
    histogram[Math.max(0, Math.min(histogram.length - 1, bin))]++;
  }
}

export function notFinite(got: number): SenseVoiceError {
  return new SenseVoiceError(`[calibration] inputs: expected finite numbers, got ${got}`);
}

/** Adds the inputs x [rows, k] to the statistics. Throws a SenseVoiceError on another width, NaN or ∞. */
export function accumulate(stats: Statistics, x: Float32Array, rows: number, k: number): void {
  if (k !== stats.k || x.length !== rows * k) {
    throw new SenseVoiceError(
      `[calibration] inputs: expected [rows, ${stats.k}], got ${x.length} numbers as [${rows}, ${k}]`,
    );
  }
  const { hessian } = stats;
  countSizes(stats, x);
  // Upper triangle, four rows of x at a time: the memory traffic on H is what takes the time.
  for (let r = 0; r < rows; r += 4) {
    const [r0, r1, r2, r3] = [0, 1, 2, 3].map((j) => (r + j < rows ? (r + j) * k : -1));
    for (let i = 0; i < k; i++) {
      const a = x[r0 + i];
      const b = r1 < 0 ? 0 : x[r1 + i];
      const c = r2 < 0 ? 0 : x[r2 + i];
      const d = r3 < 0 ? 0 : x[r3 + i];
      if (a === 0 && b === 0 && c === 0 && d === 0) continue; // ReLU's output is mostly 0
      const row = i * k;
      const [j1, j2, j3] = [Math.max(r1, 0), Math.max(r2, 0), Math.max(r3, 0)];
      for (let j = i; j < k; j++) {
        hessian[row + j] += a * x[r0 + j] + b * x[j1 + j] + c * x[j2 + j] + d * x[j3 + j];
      }
    }
  }
  for (let i = 0; i < k; i++) for (let j = i + 1; j < k; j++) hessian[j * k + i] = hessian[i * k + j];
  stats.rows += rows;
}

/**
 * The size below which the share `share` of the inputs lies, to within a bin (9 %); at most the largest. For static
 * activation scales: s = size / 127.
 */
export function percentileOf(stats: Sizes, share: number): number {
  const total = stats.histogram.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let bin = 0; bin < stats.histogram.length; bin++) {
    seen += stats.histogram[bin];
    if (seen >= share * total) return Math.min(stats.absMax, 2 ** (LOWEST + (bin + 1) / BINS_PER_OCTAVE));
  }
  return stats.absMax;
}
