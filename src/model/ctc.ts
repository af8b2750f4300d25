/** Id of CTC's blank in every SenseVoice checkpoint. */
export const BLANK = 0;

/** Rows in front of the speech: the answers to the four query rows (language, emotion, event, textnorm). */
export const HEADER_ROWS = 4;

/** A token of the collapsed sequence and the rows it was read from. */
export interface CtcToken {
  readonly id: number;
  /** First row, counted from the first query row. */
  readonly start: number;
  /** One past the last row. */
  readonly end: number;
  /** Highest probability of the token over its rows; 1 if no probabilities were given. */
  readonly probability: number;
}

/**
 * Greedy CTC: runs of one id become one token, then blanks go (a a ␣ a b → a a b).
 * @param ids best id of each row
 * @param probabilities probability of that id, in [0, 1], for each row
 */
export function collapse(
  ids: ArrayLike<number>,
  probabilities?: ArrayLike<number>,
  blank = BLANK,
): CtcToken[] {
  const tokens: CtcToken[] = [];
  let end = 0;
  for (let start = 0; start < ids.length; start = end) {
    let probability = 0;
    for (end = start; end < ids.length && ids[end] === ids[start]; end++) {
      probability = Math.max(probability, probabilities?.[end] ?? 1);
    }
    if (ids[start] !== blank) tokens.push({ id: ids[start], start, end, probability });
  }
  return tokens;
}

/** Parts the tokens of the four query rows (the tags) from those of the speech. */
export function splitHeader(tokens: readonly CtcToken[]): { header: CtcToken[]; speech: CtcToken[] } {
  return {
    header: tokens.filter(({ start }) => start < HEADER_ROWS),
    speech: tokens.filter(({ start }) => start >= HEADER_ROWS),
  };
}
