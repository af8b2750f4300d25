/** log Σ exp(x) of a row, without overflow. */
export function logSumExp(row: Float32Array): number {
  const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return max + Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0));
}

/** Best token of each row: logits [R, vocab] → [R]. Ties go to the lower id. */
export function ctcGreedy(logits: Float32Array, vocab: number, banned?: number): Float32Array {
  return Float32Array.from({ length: logits.length / vocab }, (_, r) => {
    const row = logits.subarray(r * vocab, (r + 1) * vocab);
    let best = -1;
    for (let v = 0; v < vocab; v++) if (v !== banned && (best < 0 || row[v] > row[best])) best = v;
    return best;
  });
}

/** log softmax of chosen tokens: logits [R, vocab], tokens [L] → [R, L]. */
export function ctcLogProbs(logits: Float32Array, vocab: number, tokens: ArrayLike<number>): Float32Array {
  const out = new Float32Array((logits.length / vocab) * tokens.length);
  for (let r = 0; r * vocab < logits.length; r++) {
    const row = logits.subarray(r * vocab, (r + 1) * vocab);
    const sum = logSumExp(row);
    for (let l = 0; l < tokens.length; l++) out[r * tokens.length + l] = row[tokens[l]] - sum;
  }
  return out;
}
