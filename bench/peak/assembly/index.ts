/**
 * Loops of nothing but the instructions that matrix products are made of, on twelve sums in registers: what a core
 * can do.
 */

/** Steps of a loop; a step is 12 products of a vector each. */
function run<T>(steps: i32): i32 {
  const x = v128.load(0);
  const y = v128.load(16);
  let c0 = v128.load(32);
  let c1 = v128.load(48);
  let c2 = v128.load(64);
  let c3 = v128.load(80);
  let c4 = v128.load(96);
  let c5 = v128.load(112);
  let c6 = v128.load(128);
  let c7 = v128.load(144);
  let c8 = v128.load(160);
  let c9 = v128.load(176);
  let c10 = v128.load(192);
  let c11 = v128.load(208);
  for (let i = 0; i < steps; i++) {
    c0 = step<T>(x, c0, y);
    c1 = step<T>(x, c1, y);
    c2 = step<T>(x, c2, y);
    c3 = step<T>(x, c3, y);
    c4 = step<T>(x, c4, y);
    c5 = step<T>(x, c5, y);
    c6 = step<T>(x, c6, y);
    c7 = step<T>(x, c7, y);
    c8 = step<T>(x, c8, y);
    c9 = step<T>(x, c9, y);
    c10 = step<T>(x, c10, y);
    c11 = step<T>(x, c11, y);
  }
  const a = i32x4.add(i32x4.add(i32x4.add(c0, c1), i32x4.add(c2, c3)), i32x4.add(i32x4.add(c4, c5), c6));
  const b = i32x4.add(i32x4.add(i32x4.add(c7, c8), c9), i32x4.add(c10, c11));
  return i32x4.extract_lane(i32x4.add(a, b), 0);
}

class F32 {}
class Int16 {}
class Int8Pairs {}
class Int8Quads {}

/**
 * One product on top of the sum c. A sum goes into the product itself where the instruction does not add: else that
 * would be the same in every step, and be left out.
 */
function step<T>(x: v128, c: v128, y: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (idof<T>() === idof<F32>()) return f32x4.relaxed_madd(x, y, c);
    if (idof<T>() === idof<Int8Quads>()) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, y, c);
    if (idof<T>() === idof<Int8Pairs>()) {
      return i32x4.add(i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(c, x), x), y);
    }
  }
  if (idof<T>() === idof<F32>()) return f32x4.add(f32x4.mul(x, c), y);
  return i32x4.add(i32x4.dot_i16x8_s(x, c), y);
}

/** Four multiplications and additions of f32 a product. */
export function f32s(steps: i32): i32 {
  return run<F32>(steps);
}

/** Eight of int16 a product, summed in pairs. */
export function i16s(steps: i32): i32 {
  return run<Int16>(steps);
}

/** Sixteen of int8 a product, summed in pairs to int16 and those in pairs to int32. Relaxed SIMD only. */
export function i8Pairs(steps: i32): i32 {
  return run<Int8Pairs>(steps);
}

/** Sixteen of int8 a product, summed in fours to int32. Relaxed SIMD only. */
export function i8Quads(steps: i32): i32 {
  return run<Int8Quads>(steps);
}
