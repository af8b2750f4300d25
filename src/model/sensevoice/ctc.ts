/** Id of CTC's blank in every SenseVoice checkpoint. */
export const BLANK = 0;

/** Tokens, and ln of the probability of each. */
export interface Spoken {
  readonly tokens: readonly number[];
  readonly logProbs: readonly number[];
}

/**
 * Greedy CTC as `collapse`: a token has the largest of the probabilities of its rows.
 * @param rows the best token of each row, and ln of its probability
 */
export function greedy({ ids, logProbs }: { ids: Float32Array; logProbs: Float32Array }): Spoken {
  const tokens: number[] = [];
  const best: number[] = [];
  for (const [row, id] of ids.entries()) {
    if (id === BLANK) continue;
    if (row > 0 && id === ids[row - 1]) best.push(Math.max(best.pop() as number, logProbs[row]));
    else {
      tokens.push(id);
      best.push(logProbs[row]);
    }
  }
  return { tokens, logProbs: best };
}

/**
 * How sure the model is of a text: the geometric mean of the probabilities of its tokens, exp(1/N · Σ ln pₙ), in [0, 1].
 * Tags do not count; 1 if nothing was said.
 */
export function confidenceOf({ tokens, logProbs }: Spoken, isTag: (token: number) => boolean): number {
  const said = logProbs.filter((_, i) => !isTag(tokens[i]));
  const sum = said.reduce((total, logProb) => total + logProb, 0);
  return said.length === 0 ? 1 : Math.min(Math.exp(sum / said.length), 1); // in f32 a logarithm may round to above 0
}

/**
 * Greedy CTC: runs of one id become one token, then blanks go (a a ␣ a b → a a b).
 * @param ids best id of each row
 */
export function collapse(ids: ArrayLike<number>): number[] {
  return Array.from(ids).filter((id, row) => id !== BLANK && (row === 0 || id !== ids[row - 1]));
}
