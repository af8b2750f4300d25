/** y = (x − mean) / √(var + eps) · gamma + beta over each row of x [R, D]; var is the biased one, as in torch. */
export function layerNorm(
  x: Float32Array,
  gamma: Float32Array,
  beta: Float32Array,
  [rows, d]: readonly [number, number],
  eps = 1e-5,
): Float32Array {
  const y = new Float32Array(rows * d);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * d, (r + 1) * d);
    const mean = row.reduce((sum, v) => sum + v, 0) / d;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / d;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < d; i++) y[r * d + i] = (row[i] - mean) * scale * gamma[i] + beta[i];
  }
  return y;
}
