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
