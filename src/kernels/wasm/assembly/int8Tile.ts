import { Finish, storeRow } from "./finish";
import { SCALES } from "./int8";
import { PANEL } from "./tile";
import { PAIRS, QUADS, Weight } from "./weight";

/** 1 in every int16: in memory for the reason that simd.ts gives. */
export const ONES: usize = memory.data<i16>([1, 1, 1, 1, 1, 1, 1, 1], 16);

/** How products are made, and the rows of a tile, as types: `tileOf` is compiled once for each. */
export class OfI16 {}
export class OfPairs {}
export class OfQuads {}
export class Two {}
export class Four {}
export class Six {}
class Twelve {}

/** Products of x and w, summed in twos (int16) or fours (int8), on top of four sums. */
export function dot<T>(x: v128, w: v128, ones: v128, sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (idof<T>() === idof<OfQuads>()) return i32x4.relaxed_dot_i8x16_i7x16_add_s(w, x, sum);
    if (idof<T>() === idof<OfPairs>()) {
      return i32x4.add(i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(w, x), ones), sum);
    }
  }
  return i32x4.add(i32x4.dot_i16x8_s(x, w), sum);
}

/** What becomes of a row of whole sums c: max(c · s[column] · scale + bias, floor) + residual, 8 columns of each. */
export function finishRow(
  out: usize,
  c0: v128,
  c1: v128,
  s0: v128,
  s1: v128,
  scale: v128,
  finish: Finish,
  residual: usize,
): void {
  const y0 = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(c0), s0), scale);
  const y1 = f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(c1), s1), scale);
  storeRow(out, y0, y1, finish, residual);
}

/** Adds sum · scales to what is at `out`, each step rounded to f32. */
function addScaled(out: usize, c0: v128, c1: v128, s0: v128, s1: v128): void {
  const y0 = f32x4.add(v128.load(out), f32x4.mul(f32x4.convert_i32x4_s(c0), s0));
  const y1 = f32x4.add(v128.load(out, 16), f32x4.mul(f32x4.convert_i32x4_s(c1), s1));
  v128.store(out, y0);
  v128.store(out, y1, 16);
}

/**
 * out[r, c] = finish((Σ_groups f32(Σᵢ q[i, r] · v[i, c] + starts[group, c]) · scales[group, c]) · s[r]) for the rows of a
 * tile of x and a panel of 8 columns. A step takes the 4·R bytes of q and 32 of v that are multiplied together. With
 * more groups than one their f32 sums are gathered in `partial` [R, 8].
 */
function tileOf<T, R>(
  weight: Weight,
  x: usize,
  v: usize,
  starts: usize,
  scales: usize,
  partial: usize,
  finish: Finish,
): void {
  const rows: usize =
    idof<R>() === idof<Twelve>() ? 12 : idof<R>() === idof<Six>() ? 6 : idof<R>() === idof<Four>() ? 4 : 2;
  const ones = v128.load(ONES);
  const bytes: usize = idof<T>() === idof<OfI16>() ? PANEL * 2 : PANEL; // of v for one k
  const whole = weight.groups === 1;
  if (!whole) memory.fill(partial, 0, rows * PANEL * 4);
  let q = x + SCALES * 4;
  const groupBytes = weight.groupSize * bytes;
  const last = v + weight.k * bytes;
  let c00 = i32x4.splat(0);
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
  let c60 = c00;
  let c61 = c00;
  let c70 = c00;
  let c71 = c00;
  let c80 = c00;
  let c81 = c00;
  let c90 = c00;
  let c91 = c00;
  let ca0 = c00;
  let ca1 = c00;
  let cb0 = c00;
  let cb1 = c00;
  while (v < last) {
    c00 = v128.load(starts);
    c01 = v128.load(starts, 16);
    starts += PANEL * 4;
    c10 = c00;
    c11 = c01;
    // Two rows have sums for every other step as well: four could not be added to as fast as products come.
    c20 = rows === 2 ? i32x4.splat(0) : c00;
    c21 = rows === 2 ? i32x4.splat(0) : c01;
    c30 = c20;
    c31 = c21;
    c40 = c00;
    c41 = c01;
    c50 = c00;
    c51 = c01;
    c60 = c00;
    c61 = c01;
    c70 = c00;
    c71 = c01;
    c80 = c00;
    c81 = c01;
    c90 = c00;
    c91 = c01;
    ca0 = c00;
    ca1 = c01;
    cb0 = c00;
    cb1 = c01;
    for (const end = min(v + groupBytes, last); v < end; v += 32) {
      const w0 = v128.load(v);
      const w1 = v128.load(v, 16);
      let x = v128.load32_splat(q, 0);
      c00 = dot<T>(x, w0, ones, c00);
      c01 = dot<T>(x, w1, ones, c01);
      x = v128.load32_splat(q, 4);
      c10 = dot<T>(x, w0, ones, c10);
      c11 = dot<T>(x, w1, ones, c11);
      if (rows === 2 && v + 32 < end) {
        v += 32;
        q += 8;
        const w2 = v128.load(v);
        const w3 = v128.load(v, 16);
        x = v128.load32_splat(q, 0);
        c20 = dot<T>(x, w2, ones, c20);
        c21 = dot<T>(x, w3, ones, c21);
        x = v128.load32_splat(q, 4);
        c30 = dot<T>(x, w2, ones, c30);
        c31 = dot<T>(x, w3, ones, c31);
      }
      if (rows > 2) {
        x = v128.load32_splat(q, 8);
        c20 = dot<T>(x, w0, ones, c20);
        c21 = dot<T>(x, w1, ones, c21);
        x = v128.load32_splat(q, 12);
        c30 = dot<T>(x, w0, ones, c30);
        c31 = dot<T>(x, w1, ones, c31);
      }
      if (rows > 4) {
        x = v128.load32_splat(q, 16);
        c40 = dot<T>(x, w0, ones, c40);
        c41 = dot<T>(x, w1, ones, c41);
        x = v128.load32_splat(q, 20);
        c50 = dot<T>(x, w0, ones, c50);
        c51 = dot<T>(x, w1, ones, c51);
      }
      if (rows > 6) {
        x = v128.load32_splat(q, 24);
        c60 = dot<T>(x, w0, ones, c60);
        c61 = dot<T>(x, w1, ones, c61);
        x = v128.load32_splat(q, 28);
        c70 = dot<T>(x, w0, ones, c70);
        c71 = dot<T>(x, w1, ones, c71);
        x = v128.load32_splat(q, 32);
        c80 = dot<T>(x, w0, ones, c80);
        c81 = dot<T>(x, w1, ones, c81);
        x = v128.load32_splat(q, 36);
        c90 = dot<T>(x, w0, ones, c90);
        c91 = dot<T>(x, w1, ones, c91);
        x = v128.load32_splat(q, 40);
        ca0 = dot<T>(x, w0, ones, ca0);
        ca1 = dot<T>(x, w1, ones, ca1);
        x = v128.load32_splat(q, 44);
        cb0 = dot<T>(x, w0, ones, cb0);
        cb1 = dot<T>(x, w1, ones, cb1);
      }
      q += rows * 4;
    }
    if (rows === 2) {
      c00 = i32x4.add(c00, c20);
      c01 = i32x4.add(c01, c21);
      c10 = i32x4.add(c10, c30);
      c11 = i32x4.add(c11, c31);
    }
    if (whole) break;
    const s0 = v128.load(scales);
    const s1 = v128.load(scales, 16);
    scales += PANEL * 4;
    addScaled(partial, c00, c01, s0, s1);
    addScaled(partial + 32, c10, c11, s0, s1);
    if (rows > 2) {
      addScaled(partial + 64, c20, c21, s0, s1);
      addScaled(partial + 96, c30, c31, s0, s1);
    }
    if (rows > 4) {
      addScaled(partial + 128, c40, c41, s0, s1);
      addScaled(partial + 160, c50, c51, s0, s1);
    }
    if (rows > 6) {
      addScaled(partial + 192, c60, c61, s0, s1);
      addScaled(partial + 224, c70, c71, s0, s1);
      addScaled(partial + 256, c80, c81, s0, s1);
      addScaled(partial + 288, c90, c91, s0, s1);
      addScaled(partial + 320, ca0, ca1, s0, s1);
      addScaled(partial + 352, cb0, cb1, s0, s1);
    }
  }
  let out = finish.out;
  let residual = finish.residual;
  const stride = finish.stride;
  const residualStride = finish.residualStride;
  if (!whole) {
    for (let r: usize = 0; r < rows; r++) {
      const scale = v128.load32_splat(x + r * 4);
      const y0 = f32x4.mul(v128.load(partial), scale);
      const y1 = f32x4.mul(v128.load(partial, 16), scale);
      storeRow(out, y0, y1, finish, residual);
      partial += PANEL * 4;
      out += stride;
      residual += residualStride;
    }
    return;
  }
  const s0 = v128.load(scales);
  const s1 = v128.load(scales, 16);
  finishRow(out, c00, c01, s0, s1, v128.load32_splat(x), finish, residual);
  out += stride;
  residual += residualStride;
  finishRow(out, c10, c11, s0, s1, v128.load32_splat(x, 4), finish, residual);
  if (rows > 2) {
    out += stride;
    residual += residualStride;
    finishRow(out, c20, c21, s0, s1, v128.load32_splat(x, 8), finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, c30, c31, s0, s1, v128.load32_splat(x, 12), finish, residual);
  }
  if (rows > 4) {
    out += stride;
    residual += residualStride;
    finishRow(out, c40, c41, s0, s1, v128.load32_splat(x, 16), finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, c50, c51, s0, s1, v128.load32_splat(x, 20), finish, residual);
  }
  if (rows > 6) {
    out += stride;
    residual += residualStride;
    finishRow(out, c60, c61, s0, s1, v128.load32_splat(x, 24), finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, c70, c71, s0, s1, v128.load32_splat(x, 28), finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, c80, c81, s0, s1, v128.load32_splat(x, 32), finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, c90, c91, s0, s1, v128.load32_splat(x, 36), finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, ca0, ca1, s0, s1, v128.load32_splat(x, 40), finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, cb0, cb1, s0, s1, v128.load32_splat(x, 44), finish, residual);
  }
}

/** tileOf with the products that the weight asks for, for `rows` rows as rowsFor gives them. */
export function tileInt8(
  weight: Weight,
  rows: usize,
  x: usize,
  v: usize,
  starts: usize,
  scales: usize,
  partial: usize,
  finish: Finish,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (weight.products === QUADS) {
      if (WIDE && rows === 12) tileOf<OfQuads, Twelve>(weight, x, v, starts, scales, partial, finish);
      else if (rows === 6) tileOf<OfQuads, Six>(weight, x, v, starts, scales, partial, finish);
      else if (rows === 4) tileOf<OfQuads, Four>(weight, x, v, starts, scales, partial, finish);
      else tileOf<OfQuads, Two>(weight, x, v, starts, scales, partial, finish);
      return;
    }
    if (weight.products === PAIRS) {
      if (rows === 4) tileOf<OfPairs, Four>(weight, x, v, starts, scales, partial, finish);
      else tileOf<OfPairs, Two>(weight, x, v, starts, scales, partial, finish);
      return;
    }
  }
  if (rows === 4) tileOf<OfI16, Four>(weight, x, v, starts, scales, partial, finish);
  else tileOf<OfI16, Two>(weight, x, v, starts, scales, partial, finish);
}
