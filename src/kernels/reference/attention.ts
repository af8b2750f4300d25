/**
 * softmax(q·kᵀ / √(D/heads)) · v inside each clip. qkv [R, 3D] = [q | k | v] → [R, D]; clip b owns rows
 * offsets[b] … offsets[b+1]−1.
 */
export function attention(qkv: Float32Array, heads: number, d: number, offsets: ArrayLike<number>): Float32Array {
  const y = new Float32Array((qkv.length / (3 * d)) * d);
  const width = d / heads;
  const scale = 1 / Math.sqrt(width);
  for (let b = 0; b + 1 < offsets.length; b++) {
    const [first, end] = [offsets[b], offsets[b + 1]];
    const scores = new Float64Array(end - first);
    for (let h = 0; h < heads; h++) {
      for (let t = first; t < end; t++) {
        const q = t * 3 * d + h * width;
        let max = Number.NEGATIVE_INFINITY;
        for (let s = first; s < end; s++) {
          const k = s * 3 * d + d + h * width;
          let dot = 0;
          for (let i = 0; i < width; i++) dot += qkv[q + i] * qkv[k + i];
          scores[s - first] = dot * scale;
          max = Math.max(max, dot * scale);
        }
        let sum = 0;
        for (let s = 0; s < scores.length; s++) {
          scores[s] = Math.exp(scores[s] - max);
          sum += scores[s];
        }
        const out = t * d + h * width;
        for (let i = 0; i < width; i++) {
          let value = 0;
          for (let s = 0; s < scores.length; s++) {
            value += scores[s] * qkv[(first + s) * 3 * d + 2 * d + h * width + i];
          }
          y[out + i] = value / sum;
        }
      }
    }
  }
  return y;
}
