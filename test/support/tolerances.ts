/** How far from its oracle a result may be, in one place. docs/numerics.md says what was measured and why. */
export const TOLERANCE = {
  /** A kernel in f32 against the reference's f64 sums: max |a − b| / max(1, max |b|). */
  kernel: 2e-5,
  /** A layer's output against FunASR's, both in f32: max |a − b| / max |b|. */
  layer: 1e-3,
  /**
   * Int8 inputs behind a layer norm: the share of codes that may round the other way, by one, since its f32 steps
   * differ; and what that may change in a layer's output, relative to max |b|.
   */
  int8Codes: 1e-4,
  int8Layer: 1e-2,
  /** Features against FunASR's, absolute. */
  features: 1e-3,
};

/** max |got − expected| / max(floor, max |expected|); NaN if there is one. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  if (got.length !== expected.length)
    throw new Error(`expected ${expected.length} numbers, got ${got.length}`);
  let difference = 0;
  let size = floor;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isNaN(got[i])) return Number.NaN;
    difference = Math.max(difference, Math.abs(got[i] - expected[i]));
    size = Math.max(size, Math.abs(expected[i]));
  }
  return difference / size;
}
