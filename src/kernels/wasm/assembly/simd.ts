/** a · b + c: one rounding where the build has relaxed SIMD and the CPU an FMA, else two. */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Sum of the four lanes. */
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Largest of the four lanes. */
export function maxLanes(v: v128): f32 {
  const pairs = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Stores the first `count` lanes. */
export function storeLanes(at: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(at, v);
    return;
  }
  if (count > 0) v128.store32_lane(at, v, 0);
  if (count > 1) v128.store32_lane(at, v, 1, 4);
  if (count > 2) v128.store32_lane(at, v, 2, 8);
}

/**
 * Constants, four lanes each, in memory: V8 makes one that stands in the code anew, with three instructions, at every
 * use, inside a loop too.
 */
const ROUND: usize = memory.data<f32>([12582912, 12582912, 12582912, 12582912], 16); // 1.5 · 2²³
const LOG2E: usize = memory.data<f32>([Mathf.LOG2E, Mathf.LOG2E, Mathf.LOG2E, Mathf.LOG2E], 16);
const LN2_HIGH: usize = memory.data<f32>([-0.693359375, -0.693359375, -0.693359375, -0.693359375], 16);
const LN2_LOW: usize = memory.data<f32>([2.1219444e-4, 2.1219444e-4, 2.1219444e-4, 2.1219444e-4], 16);
const P5: usize = memory.data<f32>([1.98756915e-4, 1.98756915e-4, 1.98756915e-4, 1.98756915e-4], 16);
const P4: usize = memory.data<f32>([1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3], 16);
const P3: usize = memory.data<f32>([8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3], 16);
const P2: usize = memory.data<f32>([4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2], 16);
const P1: usize = memory.data<f32>([1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1], 16);
const P0: usize = memory.data<f32>([5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1], 16);
const ONE: usize = memory.data<f32>([1, 1, 1, 1], 16);
const LOWEST_EXPONENT: usize = memory.data<f32>([-87, -87, -87, -87], 16);

/** x rounded to the nearest whole number, ties to even, plus 1.5 · 2²³: an f32 of that size has steps of one. |x| < 2²². */
export function rounded(x: v128): v128 {
  return f32x4.add(x, v128.load(ROUND));
}

/** The whole numbers, i32, in what `rounded` gave. */
export function wholeOf(roundedSum: v128): v128 {
  return i32x4.sub(roundedSum, v128.load(ROUND));
}

/**
 * eˣ for x ≤ 88, and 0 below −87: e^x = 2ⁿ·eʳ with n = round(x / ln 2), |r| ≤ ln 2 / 2 taken off in two steps
 * (Cody and Waite), eʳ by the polynomial of Cephes' expf. Largest error measured: 1.3 units in the last place.
 */
export function exp(x: v128): v128 {
  const sum = rounded(f32x4.mul(x, v128.load(LOG2E)));
  const n = f32x4.sub(sum, v128.load(ROUND));
  let r = madd(n, v128.load(LN2_HIGH), x);
  r = madd(n, v128.load(LN2_LOW), r);
  let p = madd(v128.load(P5), r, v128.load(P4));
  p = madd(p, r, v128.load(P3));
  p = madd(p, r, v128.load(P2));
  p = madd(p, r, v128.load(P1));
  p = madd(p, r, v128.load(P0));
  p = madd(p, f32x4.mul(r, r), f32x4.add(r, v128.load(ONE)));
  const power = i32x4.add(i32x4.shl(sum, 23), v128.load(ONE)); // the bits of 2ⁿ: those of 1, the exponent moved by n
  return v128.and(f32x4.mul(p, power), f32x4.ge(x, v128.load(LOWEST_EXPONENT)));
}

/** eˣ of one number. */
export function expOf(x: f32): f32 {
  return f32x4.extract_lane(exp(f32x4.splat(x)), 0);
}
