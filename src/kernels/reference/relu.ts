/** y = max(0, x · gamma + beta) of the first d columns of x [rows, width]; without gamma and beta max(0, x). */
export function relu(
  x: Float32Array,
  [rows, d, width]: readonly [rows: number, d: number, width: number],
  gamma?: Float32Array,
  beta?: Float32Array,
): Float32Array {
  const y = new Float32Array(rows * d);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < d; i++) {
      const value = x[r * width + i];
      y[r * d + i] = Math.max(0, gamma && beta ? value * gamma[i] + beta[i] : value);
    }
  }
  return y;
}
