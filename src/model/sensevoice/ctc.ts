/** Id of CTC's blank in every SenseVoice checkpoint. */
export const BLANK = 0;

/**
 * Greedy CTC: runs of one id become one token, then blanks go (a a ␣ a b → a a b).
 * @param ids best id of each row
 */
export function collapse(ids: ArrayLike<number>): number[] {
  return Array.from(ids).filter((id, row) => id !== BLANK && (row === 0 || id !== ids[row - 1]));
}
