/**
 * y = relu?(x · wᵀ + bias + residual). x [R, K], w [N, K] → [R, N]; each dot product is summed in f64. Four columns
 * at a time share their loads of x, which doubles the speed; nothing else here is for speed.
 */
export function linear(
  x: Float32Array,
  w: Float32Array,
  [rows, n, k]: readonly [number, number, number],
  bias?: Float32Array,
  relu = false,
  residual?: Float32Array,
): Float32Array {
  const y = new Float32Array(rows * n);
  for (let j = 0; j < n; j += 4) {
    const [w0, w1, w2, w3] = [0, 1, 2, 3].map((c) => Math.min(j + c, n - 1) * k);
    for (let r = 0; r < rows; r++) {
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let i = 0, a = r * k; i < k; i++, a++) {
        s0 += x[a] * w[w0 + i];
        s1 += x[a] * w[w1 + i];
        s2 += x[a] * w[w2 + i];
        s3 += x[a] * w[w3 + i];
      }
      const sums = [s0, s1, s2, s3];
      for (let c = 0; c < 4 && j + c < n; c++) {
        const sum = sums[c] + (bias ? bias[j + c] : 0) + (residual ? residual[r * n + j + c] : 0);
        y[r * n + j + c] = relu ? Math.max(sum, 0) : sum;
      }
    }
  }
  return y;
}
