/**
 * NF4: the 16 values of 4-bit NormalFloat, quantiles of N(0, 1) scaled to [−1, 1] with an exact 0 (Dettmers et al.
 * 2023, "QLoRA: Efficient Finetuning of Quantized LLMs", appendix E).
 */
export const NF4: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

/**
 * Additive powers of two (Li et al. 2020, "Additive Powers-of-Two Quantization"): a magnitude is a sum of one term of
 * each set, the sets of powers taking turns, so that a multiplication is a shift or two. Signs double them; the code
 * that a second 0 would waste extends the negative side by its last step. Scaled so that the positive side ends at 1.
 *
 * @param bits 3, 4 or 5: magnitudes of 2, 3 or 4 bits
 */
export function additivePowersOfTwo(bits: number): number[] {
  const sets = {
    3: [[0, 1 / 2, 1 / 4, 1 / 8]],
    4: [
      [0, 1 / 2, 1 / 4, 1 / 16],
      [0, 1 / 8],
    ],
    5: [
      [0, 1 / 2, 1 / 8, 1 / 32],
      [0, 1 / 4, 1 / 16, 1 / 64],
    ],
  }[bits];
  if (!sets) throw new RangeError(`bits: expected 3, 4 or 5, got ${bits}`);
  const sums = sets.reduce((sums, set) => sums.flatMap((sum) => set.map((term) => sum + term)), [0]);
  const magnitudes = sums.sort((a, b) => a - b);
  const [second, first] = magnitudes.slice(-2);
  const negative = [...magnitudes.slice(1), 2 * first - second].map((x) => -x).reverse();
  return [...negative, ...magnitudes].map((x) => x / first);
}

/** Entries as int8 activations want them: whole numbers, the largest magnitude 127. */
export function inWholeNumbers(entries: readonly number[]): number[] {
  const largest = Math.max(...entries.map(Math.abs));
  return entries.map((entry) => Math.round((entry / largest) * 127));
}
