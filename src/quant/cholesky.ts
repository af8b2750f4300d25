import { SenseVoiceError } from "../error.ts";

/**
 * The lower triangle L of a = L·Lᵀ, [k, k] row-major, in place of `a`'s lower triangle; the rest is set to 0. Row by
 * row, so that every inner product runs over two rows in memory.
 *
 * @throws SenseVoiceError unless `a` is positive definite
 */
export function cholesky(a: Float64Array, k: number): Float64Array {
  for (let i = 0; i < k; i++) {
    const rowI = a.subarray(i * k, (i + 1) * k);
    for (let j = 0; j <= i; j++) {
      const rowJ = a.subarray(j * k, j * k + j + 1);
      const rest = rowI[j] - dot(rowI, rowJ, j);
      if (j < i) rowI[j] = rest / rowJ[j];
      else if (rest > 0) rowI[i] = Math.sqrt(rest);
      else throw new SenseVoiceError(`[quant] cholesky: the matrix is not positive definite at row ${i}`);
    }
    rowI.fill(0, i + 1);
  }
  return a;
}

function dot(a: Float64Array, b: Float64Array, length: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < length; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (; i < length; i++) s0 += a[i] * b[i];
  return s0 + s1 + s2 + s3;
}

/** The inverse of a lower triangle [k, k]: row i is (eᵢ − Σ_{j<i} Lᵢⱼ·rowⱼ) / Lᵢᵢ. */
export function invertLower(lower: Float64Array, k: number): Float64Array {
  const out = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    const row = out.subarray(i * k, i * k + i + 1);
    for (let j = 0; j < i; j++) {
      const factor = lower[i * k + j];
      if (factor === 0) continue;
      const other = out.subarray(j * k, j * k + j + 1);
      for (let c = 0; c <= j; c++) row[c] -= factor * other[c];
    }
    const pivot = 1 / lower[i * k + i];
    for (let c = 0; c < i; c++) row[c] *= pivot;
    row[i] = pivot;
  }
  return out;
}

/** Solves a·x = b for a symmetric positive definite a [k, k]; `a` is overwritten. */
export function solve(a: Float64Array, b: Float64Array, k: number): Float64Array {
  const lower = cholesky(a, k);
  const x = Float64Array.from(b);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < i; j++) x[i] -= lower[i * k + j] * x[j];
    x[i] /= lower[i * k + i];
  }
  for (let i = k - 1; i >= 0; i--) {
    for (let j = i + 1; j < k; j++) x[i] -= lower[j * k + i] * x[j];
    x[i] /= lower[i * k + i];
  }
  return x;
}

/**
 * out[j] += Σᵢ factors[i]·a[i, j] over the rows i from `start` to `end` of a [_, k], for j < length. Four rows at a
 * time share the loads and stores of `out`: what is left of the time is memory.
 */
export function addRows(
  out: Float64Array,
  a: Float64Array,
  k: number,
  factors: Float64Array,
  start: number,
  end: number,
  length = k,
): void {
  let i = start;
  for (; i + 3 < end; i += 4) {
    const [f0, f1, f2, f3] = [factors[i], factors[i + 1], factors[i + 2], factors[i + 3]];
    const at = i * k;
    for (let j = 0; j < length; j++) {
      out[j] += f0 * a[at + j] + f1 * a[at + k + j] + f2 * a[at + 2 * k + j] + f3 * a[at + 3 * k + j];
    }
  }
  for (; i < end; i++) for (let j = 0; j < length; j++) out[j] += factors[i] * a[i * k + j];
}
