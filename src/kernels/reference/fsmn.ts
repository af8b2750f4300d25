/**
 * y[t, c] = Σⱼ taps[c, j] · v[t + j − (J−1)/2, c] + v[t, c] + residual[t, c], v = qkv[:, 2D…3D], zero outside the
 * clip. taps [D, J], qkv [R, 3D] → [R, D].
 */
export function fsmn(
  qkv: Float32Array,
  taps: Float32Array,
  [d, j]: readonly [number, number],
  offsets: ArrayLike<number>,
  residual?: Float32Array,
): Float32Array {
  const y = new Float32Array((qkv.length / (3 * d)) * d);
  const half = (j - 1) / 2;
  for (let b = 0; b + 1 < offsets.length; b++) {
    const [first, end] = [offsets[b], offsets[b + 1]];
    for (let t = first; t < end; t++) {
      for (let c = 0; c < d; c++) {
        let sum = qkv[t * 3 * d + 2 * d + c] + (residual ? residual[t * d + c] : 0);
        for (let s = Math.max(first, t - half); s < Math.min(end, t + half + 1); s++) {
          sum += taps[c * j + s - t + half] * qkv[s * 3 * d + 2 * d + c];
        }
        y[t * d + c] = sum;
      }
    }
  }
  return y;
}

/**
 * y[t, c] = x[t, c] + Σⱼ taps[c, j] · x[t + j − (J−1), c]; rows before the first are `history` [J−1, D], which then
 * becomes the last J−1 rows. taps [D, J], x [R, D] → [R, D].
 */
export function causalFsmn(
  x: Float32Array,
  taps: Float32Array,
  history: Float32Array,
  [rows, d, j]: readonly [number, number, number],
): Float32Array {
  const y = new Float32Array(rows * d);
  const all = new Float32Array(history.length + x.length);
  all.set(history);
  all.set(x, history.length);
  for (let t = 0; t < rows; t++) {
    for (let c = 0; c < d; c++) {
      let sum = x[t * d + c];
      for (let i = 0; i < j; i++) sum += taps[c * j + i] * all[(t + i) * d + c];
      y[t * d + c] = sum;
    }
  }
  history.set(all.subarray(x.length));
  return y;
}
