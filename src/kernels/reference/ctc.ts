/** log Σ exp(x) of a row, without overflow. */
function logSumExp(row: Float32Array): number {
  const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return max + Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0));
}

/** Best token and its softmax probability of each row: logits [R, vocab] → [R, 2]. Ties go to the lower id. */
export function ctcGreedy(logits: Float32Array, vocab: number, banned?: number): Float32Array {
  const out = new Float32Array((logits.length / vocab) * 2);
  for (let r = 0; r * vocab < logits.length; r++) {
    const row = logits.subarray(r * vocab, (r + 1) * vocab);
    let best = -1;
    for (let v = 0; v < vocab; v++) if (v !== banned && (best < 0 || row[v] > row[best])) best = v;
    out[r * 2] = best;
    out[r * 2 + 1] = Math.exp(row[best] - logSumExp(row));
  }
  return out;
}

/** log softmax of chosen tokens: logits [R, vocab], tokens [B, L], clip b owning rows offsets[b]… → [R, L]. */
export function ctcLogProbs(
  logits: Float32Array,
  vocab: number,
  tokens: ArrayLike<number>,
  columns: number,
  offsets: ArrayLike<number>,
): Float32Array {
  const out = new Float32Array((logits.length / vocab) * columns);
  for (let b = 0; b + 1 < offsets.length; b++) {
    for (let r = offsets[b]; r < offsets[b + 1]; r++) {
      const row = logits.subarray(r * vocab, (r + 1) * vocab);
      const sum = logSumExp(row);
      for (let l = 0; l < columns; l++) out[r * columns + l] = row[tokens[b * columns + l]] - sum;
    }
  }
  return out;
}
