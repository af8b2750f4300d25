/**
 * How far from its oracle a computed value may be: every such number that tests and benchmarks use. docs/numerics.md
 * says what was measured. What is exact is tested with `toBe` and `toEqual` and has no tolerance.
 */
export const TOLERANCE = {
  /**
   * Attention on the CPU behind int8 products, in int8 or in int16 pairs of eleven bits: max |a − b| / max |b|. Twice
   * what is measured; the same numbers rounded to int8, as the next layer reads them, are 4e-3 off.
   */
  attentionInt8: 2.5e-2,
  attentionInt16: 1e-3,
  /** A kernel in f32 against the reference's f64 sums: max |a − b| / max(1, max |b|). Ten times what is measured. */
  kernel: 2e-5,
  /** The same where both sides are rounded to f16 before they are multiplied: their steps are 2⁻¹¹. */
  matrix: 2e-3,
  /** Layer norm of numbers about 46 000, which f32 holds to 2⁻⁸: a part in 2 000 of their spread of 20. */
  layerNormFarFromZero: 1e-3,
  /**
   * A layer's output, and the logits, against FunASR's, both in f32: of numbers kept as they are max |a − b| / max |b|,
   * of whole outputs ‖a − b‖ / ‖b‖. Twice what is measured; 1e-6 in place of 1e-5 under the root of the layer norms
   * makes 8e-6. On WebGPU ten times what SwiftShader shows, since WGSL lets hardware be less exact in exp and division.
   */
  layer: 5e-6,
  layerWebgpu: 2e-5,
  /** A logit or a log-probability against FunASR's, in nats; a margin in deviations. Three to four times what is measured. */
  logProb: 1e-4,
  logProbWebgpu: 3e-4,
  /** A frame's probability of silence against FunASR's: twice what is measured. FunASR's FFT, in f32, makes most of it. */
  silence: 1e-4,
  /** Numbers of a speaker's embedding, of norm 3 to 48, against FunASR's. */
  embedding: 1e-4,
  /**
   * 1 − cosine of such an embedding with weights and activations in int8 and FunASR's. Random weights' embeddings are what is
   * left of a larger number that all have in common, the smallest the most: twice what is measured of one of norm 3.
   */
  speakerInt8: 0.035,
  /** Outputs of that network's parts: max |a − b| / max |b|. */
  speakerStage: 2e-5,
  /**
   * Features against FunASR's: an error of a logarithm, in nats. FunASR's FFT is in f32. It is off by a share of the
   * frame's largest amplitude: in bins further than `featureDepth` nats of energy below the loudest, the limit grows
   * with the ratio of the amplitudes.
   */
  features: 2e-4,
  featureDepth: 12,

  /**
   * Int8 inputs behind a layer norm: the share of codes that may round the other way, by one, since its f32 steps
   * differ; and what that may change in a layer's output, relative to max |b|.
   */
  int8Codes: 1e-4,
  int8Layer: 1e-2,
  /** The scale of such a row: its largest number by 127, relative. */
  int8Scale: 1e-6,
  /** An int8 product's f32 steps against sums in f64, where sums are up to 10 in size. */
  int8Product: 1e-5,

  /** Sums in f64 in another order, relative, or absolute where they are below 1. */
  f64: 1e-12,
  /** The same through a Cholesky factor of 37 × 37 and its inverse. */
  factors: 1e-9,
  /**
   * Quantisation with kernels in f32 against the plain functions in f64: XᵀX, by its largest entry; the share of weights
   * that may be others, since a weight half-way between two values may fall the other way and take those after it along;
   * and what that may change in the output's error. Ten times what is measured of XᵀX; no weight was another.
   */
  gram: 3e-6,
  /** The same through a model whose rows are nearly alike, so that sums round the same way: five times what is measured. */
  heard: 1e-4,
  otherWeights: 0.02,
  outputError: 0.01,
  /** KL of the tokens' probabilities with exponentials in f32, in nats. */
  divergence: 1e-6,
  /** A few steps in f32, relative. */
  f32: 1e-6,
  /** What is stored in f16, relative: half a unit in the last place is 2⁻¹¹. */
  f16: 2 ** -11,
  /** Mean and variance of 11 200 seeded uniform numbers: three standard errors. */
  moments: 0.03,
  /** Bytes of a file or of memory by those of the weights in it: headers and padding. */
  size: 1.03,

  /** Resampling, away from the ends: a sine of amplitude 1 (0.0005 dB), and a constant. */
  resampledSine: 5e-5,
  resampledConstant: 1e-6,
  /** What is left of a sine beyond Nyquist, in dB. */
  stopband: -92,
  /** Least correlation of a lossy codec's sound with the source, at the rates of test/audio/fixtures. */
  likeness: { mp3: 0.98, vorbis: 0.98, opus: 0.96, aac: 0.95 },
};

/** max |got − expected| / max(floor, max |expected|); NaN if there is one. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  if (got.length !== expected.length) throw new Error(`expected ${expected.length} numbers, got ${got.length}`);
  let difference = 0;
  let size = floor;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isNaN(got[i])) return Number.NaN;
    difference = Math.max(difference, Math.abs(got[i] - expected[i]));
    size = Math.max(size, Math.abs(expected[i]));
  }
  return difference / size;
}
