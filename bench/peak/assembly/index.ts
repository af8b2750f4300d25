/**
 * Loops of nothing but the instructions that matrix products are made of, on sums in registers: what a core can do.
 */

/**
 * Steps of a loop; a step is 12 products of a vector each, or with WIDE 24. Two neighbouring sums are stored side by side
 * so that a V8 that makes one vector of two (see scripts/build-wasm.ts) does.
 */
function run<T>(steps: i32): void {
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
  let c12 = v128.load(224);
  let c13 = v128.load(240);
  let c14 = v128.load(256);
  let c15 = v128.load(272);
  let c16 = v128.load(288);
  let c17 = v128.load(304);
  let c18 = v128.load(320);
  let c19 = v128.load(336);
  let c20 = v128.load(352);
  let c21 = v128.load(368);
  let c22 = v128.load(384);
  let c23 = v128.load(400);
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
    if (!WIDE) continue;
    c12 = step<T>(x, c12, y);
    c13 = step<T>(x, c13, y);
    c14 = step<T>(x, c14, y);
    c15 = step<T>(x, c15, y);
    c16 = step<T>(x, c16, y);
    c17 = step<T>(x, c17, y);
    c18 = step<T>(x, c18, y);
    c19 = step<T>(x, c19, y);
    c20 = step<T>(x, c20, y);
    c21 = step<T>(x, c21, y);
    c22 = step<T>(x, c22, y);
    c23 = step<T>(x, c23, y);
  }
  v128.store(32, c0);
  v128.store(48, c1);
  v128.store(64, c2);
  v128.store(80, c3);
  v128.store(96, c4);
  v128.store(112, c5);
  v128.store(128, c6);
  v128.store(144, c7);
  v128.store(160, c8);
  v128.store(176, c9);
  v128.store(192, c10);
  v128.store(208, c11);
  v128.store(224, c12);
  v128.store(240, c13);
  v128.store(256, c14);
  v128.store(272, c15);
  v128.store(288, c16);
  v128.store(304, c17);
  v128.store(320, c18);
  v128.store(336, c19);
  v128.store(352, c20);
  v128.store(368, c21);
  v128.store(384, c22);
  v128.store(400, c23);
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
export function f32s(steps: i32): void {
  run<F32>(steps);
}

/** Eight of int16 a product, summed in pairs. */
export function i16s(steps: i32): void {
  run<Int16>(steps);
}

/** Sixteen of int8 a product, summed in pairs to int16 and those in pairs to int32. Relaxed SIMD only. */
export function i8Pairs(steps: i32): void {
  run<Int8Pairs>(steps);
}

/** Sixteen of int8 a product, summed in fours to int32. Relaxed SIMD only. */
export function i8Quads(steps: i32): void {
  run<Int8Quads>(steps);
}
