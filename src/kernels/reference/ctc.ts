/** log Σ exp(x) of a row, without overflow. */
export function logSumExp(row: Float32Array): number {
  const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return max + Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0));
}

/** See Backend.ctcTopK: logits [R, vocab] → [R, 2k + 1]. */
export function ctcTopK(logits: Float32Array, vocab: number, k: number, banned?: number): Float32Array {
  const width = 2 * k + 1;
  const out = new Float32Array((logits.length / vocab) * width);
  for (let r = 0; r * vocab < logits.length; r++) {
    const row = logits.subarray(r * vocab, (r + 1) * vocab);
    const best: number[] = [];
    for (let v = 0; v < vocab; v++) {
      if (v === banned || (best.length === k && row[v] <= row[best[k - 1]])) continue;
      let place = best.length;
      while (place > 0 && row[best[place - 1]] < row[v]) place--;
      best.splice(place, 0, v);
      if (best.length > k) best.pop();
    }
    const sum = logSumExp(row);
    out.set([...best, ...best.map((v) => row[v] - sum), sum], width * r);
  }
  return out;
}

/** log softmax of chosen tokens: logits [R, vocab], tokens [L], logSums [R] if known → [R, L]. */
export function ctcLogProbs(
  logits: Float32Array,
  vocab: number,
  tokens: ArrayLike<number>,
  logSums?: ArrayLike<number>,
): Float32Array {
  const out = new Float32Array((logits.length / vocab) * tokens.length);
  for (let r = 0; r * vocab < logits.length; r++) {
    const row = logits.subarray(r * vocab, (r + 1) * vocab);
    const sum = logSums?.[r] ?? logSumExp(row);
    for (let l = 0; l < tokens.length; l++) out[r * tokens.length + l] = row[tokens[l]] - sum;
  }
  return out;
}
