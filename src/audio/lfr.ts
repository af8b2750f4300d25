/**
 * Low frame rate: every row is m neighbouring frames side by side, one row every n frames; frames beyond
 * either end repeat the end. With m = 7, n = 6 a row of 7·80 numbers stands for 60 ms.
 *
 *   out[i, j] = frames[clamp(n·i − ⌊(m−1)/2⌋ + j, 0, T−1)]   for i < ⌈T/n⌉, j < m
 *
 * @param frames [T, mels], T ≥ 1
 * @returns [⌈T/n⌉, m·mels]
 * @see apply_lfr in FunASR's wav_frontend.py
 */
export function lfr(frames: Float32Array, mels: number, m: number, n: number): Float32Array {
  const count = frames.length / mels;
  const rows = Math.ceil(count / n);
  const before = Math.floor((m - 1) / 2);
  const out = new Float32Array(rows * m * mels);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < m; j++) {
      const frame = Math.min(Math.max(n * row - before + j, 0), count - 1);
      out.set(frames.subarray(frame * mels, (frame + 1) * mels), (row * m + j) * mels);
    }
  }
  return out;
}
