/** One triangular filter: `weights[i]` belongs to FFT bin `firstBin + i`; no weights where no bin falls inside. */
export interface MelFilter {
  readonly firstBin: number;
  readonly weights: Float64Array;
}

const f32 = Math.fround;
const LOW_HZ = 20;

/**
 * Kaldi's mel filters: `mels` triangles of equal width on the scale mel(f) = 1127·ln(1 + f/700), from
 * 20 Hz to half the sample rate, over the FFT bins 0 to fftSize/2 − 1 (the Nyquist bin has no weight).
 *
 * Every step rounds to f32 as torch does in `torchaudio.compliance.kaldi.get_mel_banks`: near a triangle's
 * foot the weights differ visibly from those of a calculation in double precision.
 */
export function melFilters(mels: number, fftSize: number, sampleRate: number): MelFilter[] {
  const lowMel = 1127 * Math.log(1 + LOW_HZ / 700);
  const highMel = 1127 * Math.log(1 + sampleRate / 2 / 700);
  const delta = f32((highMel - lowMel) / (mels + 1));
  const edge = (i: number) => f32(f32(i * delta) + f32(lowMel));

  const binMels = Float32Array.from({ length: fftSize / 2 }, (_, bin) => {
    const hz = f32((sampleRate / fftSize) * bin);
    return 1127 * f32(Math.log(f32(1 + f32(hz / 700))));
  });

  return Array.from({ length: mels }, (_, i) => {
    const [left, centre, right] = [edge(i), edge(i + 1), edge(i + 2)];
    const weights = binMels.map((mel) => {
      const up = f32(mel - left) / f32(centre - left);
      const down = f32(right - mel) / f32(right - centre);
      return Math.max(0, Math.min(up, down));
    });
    const firstBin = Math.max(
      0,
      weights.findIndex((w) => w > 0),
    );
    const lastBin = weights.findLastIndex((w) => w > 0);
    return { firstBin, weights: Float64Array.from(weights.subarray(firstBin, lastBin + 1)) };
  });
}
