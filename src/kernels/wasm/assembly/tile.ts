import { madd } from "./simd";

/**
 * Rows of a tile: with two vectors of 8 columns, as many accumulators as 16 registers can hold beside the operands.
 * Without FMA the product needs registers too.
 */
export const ROWS: usize = ASC_FEATURE_RELAXED_SIMD ? 6 : 4;
/** Columns of a tile, and of a panel of weights. */
export const PANEL: usize = 8;

/**
 * The inner loop of every matrix product: out[r, c] (+)= Σᵢ a[i, r] · b[i, c] for ROWS rows and 8 columns.
 * a [k, ROWS] and b [k, 8] lie in the order in which they are read; the rows of `out` are `stride` bytes apart.
 *
 * The loop is not unrolled: V8 would gather the loads of several steps in front, run out of registers, and lose a
 * third of the speed.
 */
export function tile(a: usize, b: usize, k: usize, out: usize, stride: usize, accumulate: bool): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let c40 = c00;
  let c41 = c00;
  let c50 = c00;
  let c51 = c00;
  const out1 = out + stride;
  const out2 = out1 + stride;
  const out3 = out2 + stride;
  const out4 = out3 + stride;
  const out5 = out4 + stride;
  if (accumulate) {
    c00 = v128.load(out);
    c01 = v128.load(out, 16);
    c10 = v128.load(out1);
    c11 = v128.load(out1, 16);
    c20 = v128.load(out2);
    c21 = v128.load(out2, 16);
    c30 = v128.load(out3);
    c31 = v128.load(out3, 16);
    if (ROWS === 6) {
      c40 = v128.load(out4);
      c41 = v128.load(out4, 16);
      c50 = v128.load(out5);
      c51 = v128.load(out5, 16);
    }
  }
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
    if (ROWS === 6) {
      x = v128.load32_splat(a, 16);
      c40 = madd(x, b0, c40);
      c41 = madd(x, b1, c41);
      x = v128.load32_splat(a, 20);
      c50 = madd(x, b0, c50);
      c51 = madd(x, b1, c51);
    }
    a += ROWS * 4;
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  v128.store(out1, c10);
  v128.store(out1, c11, 16);
  v128.store(out2, c20);
  v128.store(out2, c21, 16);
  v128.store(out3, c30);
  v128.store(out3, c31, 16);
  if (ROWS === 6) {
    v128.store(out4, c40);
    v128.store(out4, c41, 16);
    v128.store(out5, c50);
    v128.store(out5, c51, 16);
  }
}
