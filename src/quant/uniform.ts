import type { Scheme } from "./scheme.ts";

type ScaleMethod = NonNullable<Scheme["scale"]>;

/** Share of weights that "percentile" lets saturate. */
const SATURATED = 0.005;
/** Scales that "mse" tries: those for which this share of the largest weight still fits. */
const CLIPS = [1.1, 1, 0.93, 0.86, 0.79, 0.72, 0.65, 0.58];

/** Of weights that are all 0: any will do, and the smallest that f16 holds is in nobody's way. */
const NO_SCALE = 2 ** -24;

/**
 * The scale s for which s·levels stand best for some weights:
 *
 *   max         the weight of the largest magnitude m falls on the level of the largest magnitude e: s = m / e
 *   percentile  the same, with the 99.5 % quantile of the magnitudes for |m|
 *   mse         the least Σ (wᵢ − s·vᵢ)²: for each of eight clips of the range the levels vᵢ are chosen, then
 *               s = Σ wᵢvᵢ / Σ vᵢ²
 *
 * The scale may be negative: symmetric levels have one more value below 0 than above, and the sign of s puts it where
 * the largest weight is.
 *
 * @param levels rising; c − 2^(bits−1) if uniform
 * @param round nearestIn(levels); none if they are uniform
 */
export function fitScale(
  weights: Float32Array,
  levels: Float32Array,
  method: ScaleMethod,
  round?: (x: number) => number,
): number {
  const last = levels[levels.length - 1];
  const edge = -levels[0] >= last ? levels[0] : last;
  const extreme = method === "percentile" ? quantile(weights) : largest(weights);
  if (extreme === 0) return NO_SCALE;
  // Either end will do for the largest weight if both are equally far.
  const scale = levels[0] === -last ? Math.abs(extreme / edge) : extreme / edge;
  if (method !== "mse") return scale;

  // Levels that are their own mirror image need no negative scale.
  const signs = levels.every((level, i) => level === -levels[levels.length - 1 - i]) ? [1] : [1, -1];

  let best = 0;
  let found = scale;
  for (const clip of CLIPS) {
    for (const sign of signs) {
      const inverse = sign / (scale * clip);
      const [dot, square] = round
        ? tableDots(weights, inverse, levels, round)
        : uniformDots(weights, inverse, levels[0], last);
      // The error that is left is Σw² − dot²/square.
      if (square > 0 && (dot * dot) / square > best) {
        best = (dot * dot) / square;
        found = dot / square;
      }
    }
  }
  return found;
}

/**
 * Scale and zero point of an asymmetric uniform grid, w ≈ s·(c − z), for weights from lo ≤ 0 to hi ≥ 0:
 * s = (hi − lo) / (2^bits − 1), z = ⌊−lo/s + ½⌋. Methods as in fitScale; the range is clipped on both sides.
 */
export function fitAffine(weights: Float32Array, bits: number, method: ScaleMethod): { scale: number; zero: number } {
  const top = 2 ** bits - 1;
  let [low, high] = [0, 0];
  for (const w of weights) {
    low = Math.min(low, w);
    high = Math.max(high, w);
  }
  if (low === high) return { scale: NO_SCALE, zero: 0 };
  if (method === "percentile") {
    const limit = Math.abs(quantile(weights)) || high - low;
    low = Math.max(low, -limit);
    high = Math.min(high, limit);
  }
  let best = -1;
  let found = { scale: 1, zero: 0 };
  for (const clip of method === "mse" ? CLIPS : [1]) {
    const scale = ((high - low) * clip) / top;
    const zero = Math.min(Math.floor((-low * clip) / scale + 0.5), top);
    const [dot, square] = uniformDots(weights, 1 / scale, -zero, top - zero);
    const gain = square > 0 ? (dot * dot) / square : 0;
    if (gain > best) {
      best = gain;
      found = { scale: method === "mse" && square > 0 ? dot / square : scale, zero };
    }
  }
  return found;
}

/** Σwv and Σv², v = w/s rounded to an integer from `low` to `high`. */
function uniformDots(weights: Float32Array, inverse: number, low: number, high: number): [number, number] {
  let dot = 0;
  let square = 0;
  const top = high - low;
  const half = 0.5 - low;
  for (let i = 0; i < weights.length; i++) {
    const w = weights[i];
    // Integer steps, for speed: v − low, cut off towards 0, then held between 0 and the top.
    let code = (w * inverse + half) | 0;
    if (code < 0) code = 0;
    else if (code > top) code = top;
    const v = code + low;
    dot += w * v;
    square += v * v;
  }
  return [dot, square];
}

/** Σwv and Σv², v = the level nearest to w/s. */
function tableDots(
  weights: Float32Array,
  inverse: number,
  levels: Float32Array,
  round: (x: number) => number,
): [number, number] {
  let [dot, square] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    const w = weights[i];
    const v = levels[round(w * inverse)];
    dot += w * v;
    square += v * v;
  }
  return [dot, square];
}

/** The weight of the largest magnitude. */
function largest(weights: Float32Array): number {
  let found = 0;
  for (let i = 0; i < weights.length; i++) if (Math.abs(weights[i]) > Math.abs(found)) found = weights[i];
  return found;
}

/** The 99.5 % quantile of the magnitudes, with the sign of the largest weight. */
function quantile(weights: Float32Array): number {
  const magnitudes = weights.map(Math.abs).sort();
  const value = magnitudes[Math.floor((magnitudes.length - 1) * (1 - SATURATED))];
  return largest(weights) < 0 ? -value : value;
}
