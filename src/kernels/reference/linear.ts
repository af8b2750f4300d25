/** y = relu?(x · wᵀ + bias) + residual. x [R, K], w [N, K] → [R, N]; each dot product is summed in f64. */
export function linear(
  x: Float32Array,
  w: Float32Array,
  [rows, n, k]: readonly [number, number, number],
  bias?: Float32Array,
  relu = false,
  residual?: Float32Array,
): Float32Array {
  const y = new Float32Array(rows * n);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < n; j++) {
      let sum = bias ? bias[j] : 0;
      for (let i = 0, a = r * k, b = j * k; i < k; i++) sum += x[a + i] * w[b + i];
      if (relu && sum < 0) sum = 0;
      y[r * n + j] = residual ? sum + residual[r * n + j] : sum;
    }
  }
  return y;
}
