import { madd } from "./simd";

/**
 * Rows of a tile: with two vectors of 8 columns, as many accumulators as 16 registers can hold beside the operands.
 * Without FMA the product needs registers too; where V8 makes one vector of the two (scripts/build-wasm.ts), there is
 * room for twice as many.
 */
export const ROWS: usize = WIDE ? 12 : ASC_FEATURE_RELAXED_SIMD ? 6 : 4;
/** Columns of a tile, and of a panel of weights. */
export const PANEL: usize = 8;

const ZEROS: usize = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0], 16);

/**
 * The inner loop of every matrix product: out[r, c] (+)= Σᵢ a[i, r] · b[i, c] for ROWS rows and 8 columns.
 * a [k, ROWS] and b [k, 8] lie in the order in which they are read; the rows of `out` are `stride` bytes apart.
 *
 * The loop is not unrolled: V8 would gather the loads of several steps in front, run out of registers, and lose a
 * third of the speed. The sums always start from memory: behind a branch V8 would not make one vector of two.
 */
export function tile(a: usize, b: usize, k: usize, out: usize, stride: usize, accumulate: bool): void {
  const from = accumulate ? out : ZEROS;
  const step = accumulate ? stride : 0;
  let c00 = v128.load(from);
  let c01 = v128.load(from, 16);
  const from1 = from + step;
  let c10 = v128.load(from1);
  let c11 = v128.load(from1, 16);
  const from2 = from1 + step;
  let c20 = v128.load(from2);
  let c21 = v128.load(from2, 16);
  const from3 = from2 + step;
  let c30 = v128.load(from3);
  let c31 = v128.load(from3, 16);
  // Rows that a build has not got are left out by the compiler.
  const from4 = from3 + step;
  let c40 = v128.load(from4);
  let c41 = v128.load(from4, 16);
  const from5 = from4 + step;
  let c50 = v128.load(from5);
  let c51 = v128.load(from5, 16);
  const from6 = from5 + step;
  let c60 = v128.load(from6);
  let c61 = v128.load(from6, 16);
  const from7 = from6 + step;
  let c70 = v128.load(from7);
  let c71 = v128.load(from7, 16);
  const from8 = from7 + step;
  let c80 = v128.load(from8);
  let c81 = v128.load(from8, 16);
  const from9 = from8 + step;
  let c90 = v128.load(from9);
  let c91 = v128.load(from9, 16);
  const froma = from9 + step;
  let ca0 = v128.load(froma);
  let ca1 = v128.load(froma, 16);
  const fromb = froma + step;
  let cb0 = v128.load(fromb);
  let cb1 = v128.load(fromb, 16);
  for (const end = b + k * PANEL * 4; b < end; b += PANEL * 4) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    if (ROWS > 4) {
      x = v128.load32_splat(a, 16);
      c40 = madd(x, b0, c40);
      c41 = madd(x, b1, c41);
      x = v128.load32_splat(a, 20);
      c50 = madd(x, b0, c50);
      c51 = madd(x, b1, c51);
    }
    if (ROWS > 6) {
      x = v128.load32_splat(a, 24);
      c60 = madd(x, b0, c60);
      c61 = madd(x, b1, c61);
      x = v128.load32_splat(a, 28);
      c70 = madd(x, b0, c70);
      c71 = madd(x, b1, c71);
      x = v128.load32_splat(a, 32);
      c80 = madd(x, b0, c80);
      c81 = madd(x, b1, c81);
      x = v128.load32_splat(a, 36);
      c90 = madd(x, b0, c90);
      c91 = madd(x, b1, c91);
      x = v128.load32_splat(a, 40);
      ca0 = madd(x, b0, ca0);
      ca1 = madd(x, b1, ca1);
      x = v128.load32_splat(a, 44);
      cb0 = madd(x, b0, cb0);
      cb1 = madd(x, b1, cb1);
    }
    a += ROWS * 4;
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  out += stride;
  v128.store(out, c10);
  v128.store(out, c11, 16);
  out += stride;
  v128.store(out, c20);
  v128.store(out, c21, 16);
  out += stride;
  v128.store(out, c30);
  v128.store(out, c31, 16);
  if (ROWS > 4) {
    out += stride;
    v128.store(out, c40);
    v128.store(out, c41, 16);
    out += stride;
    v128.store(out, c50);
    v128.store(out, c51, 16);
  }
  if (ROWS > 6) {
    out += stride;
    v128.store(out, c60);
    v128.store(out, c61, 16);
    out += stride;
    v128.store(out, c70);
    v128.store(out, c71, 16);
    out += stride;
    v128.store(out, c80);
    v128.store(out, c81, 16);
    out += stride;
    v128.store(out, c90);
    v128.store(out, c91, 16);
    out += stride;
    v128.store(out, ca0);
    v128.store(out, ca1, 16);
    out += stride;
    v128.store(out, cb0);
    v128.store(out, cb1, 16);
  }
}
