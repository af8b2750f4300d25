import { normalise } from "./layerNorm";
import { maxLanes, rounded, wholeOf } from "./simd";
import { next, thread } from "./threads";
import { PANEL } from "./tile";
import { I16, PAIRS, Weight } from "./weight";

/** Rows of a tile: a product of int16 pairs needs a register besides the sums, so four, whatever the build. */
export const INT8_ROWS: usize = 4;

/**
 * A tile of x: the scales of its rows, f32 [INT8_ROWS], and int16 [k/2, INT8_ROWS, 2], two neighbours along k together;
 * for relaxed products int8 [k/4, INT8_ROWS, 4] instead, with an offset added, which needs half of it.
 */
export function int8TileBytes(k: usize): usize {
  return INT8_ROWS * (4 + 2 * k);
}

/**
 * Rows firstRow … firstRow + rows − 1 of x [R, k] → tiles of whole numbers from −127 to 127, as the tiles below read them;
 * QuantizedTensor.activation has the formula. With `gamma` and `beta` (0 is none) the rows are layer-normalised on
 * the way, in `scratch` [k] of each thread. Rows of the last tile past the end stay undefined: so do their sums.
 */
export function quantizeRows(
  x: usize,
  weight: Weight,
  firstRow: usize,
  gamma: usize,
  beta: usize,
  out: usize,
  rows: usize,
  scratch: usize,
): void {
  const k = weight.k;
  const normalised = scratch + thread * k * 4;
  for (let task: usize = next(); task * INT8_ROWS < rows; task = next()) {
    const tile = out + task * int8TileBytes(k);
    for (let r: usize = 0; r < min(INT8_ROWS, rows - task * INT8_ROWS); r++) {
      let row = x + (firstRow + task * INT8_ROWS + r) * k * 4;
      if (gamma) {
        normalise(row, gamma, beta, normalised, k);
        row = normalised;
      }
      quantizeRow(row, weight, tile + r * 4);
    }
  }
}

/** One row of a tile, its scale at `out`. */
function quantizeRow(x: usize, weight: Weight, out: usize): void {
  const k = weight.k;
  let scale = weight.activation;
  let factor: f32 = <f32>1 / scale;
  if (scale === 0) {
    let size = f32x4.splat(0);
    for (let at: usize = 0; at < k * 4; at += 16) size = f32x4.pmax(size, f32x4.abs(v128.load(x + at)));
    const largest = maxLanes(size);
    scale = largest * <f32>(1.0 / 127.0);
    factor = largest < <f32>1e-30 ? 0 : <f32>127 / largest;
  }
  f32.store(out, scale);
  out += INT8_ROWS * 4;
  const factors = f32x4.splat(factor);
  const top = f32x4.splat(127);
  const bottom = f32x4.splat(-127);
  const offsets = i8x16.splat(<i8>weight.offset); // 0 or 128: as bytes, a sum is an exclusive or
  for (const end = x + k * 4; x < end; x += 16) {
    const value = f32x4.pmax(f32x4.pmin(f32x4.mul(v128.load(x), factors), top), bottom);
    const whole = wholeOf(rounded(value));
    const pairs = i16x8.narrow_i32x4_s(whole, whole);
    if (weight.products === I16) {
      v128.store32_lane(out, pairs, 0);
      v128.store32_lane(out, pairs, 1, INT8_ROWS * 4);
      out += INT8_ROWS * 8;
    } else {
      v128.store32_lane(out, v128.xor(i8x16.narrow_i16x8_s(pairs, pairs), offsets), 0);
      out += INT8_ROWS * 4;
    }
  }
}

/** 1 in every int16: in memory for the reason that simd.ts gives. */
const ONES: usize = memory.data<i16>([1, 1, 1, 1, 1, 1, 1, 1], 16);

/** How products are made, as types: `tileOf` is compiled once for each. */
class OfI16 {}
class OfPairs {}
class OfQuads {}

/** Products of x and w, summed in twos (int16) or fours (int8), on top of four sums. */
function dot<T>(x: v128, w: v128, ones: v128, sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (idof<T>() === idof<OfQuads>()) return i32x4.relaxed_dot_i8x16_i7x16_add_s(w, x, sum);
    if (idof<T>() === idof<OfPairs>()) {
      return i32x4.add(i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(w, x), ones), sum);
    }
  }
  return i32x4.add(i32x4.dot_i16x8_s(x, w), sum);
}

/** Adds sum · scales to what is at `out`, each step rounded to f32. */
function addScaled(out: usize, sum: v128, scales: v128): void {
  v128.store(out, f32x4.add(v128.load(out), f32x4.mul(f32x4.convert_i32x4_s(sum), scales)));
}

/**
 * out[r, c] = (Σ_groups f32(Σᵢ q[i, r] · v[i, c]) · scales[group, c]) · s[r] for the rows of a tile of x and a panel of
 * 8 columns. A step takes the 16 bytes of q and 32 of v that are multiplied together; the sums of a group, in i32,
 * start with those that stand in front of its v.
 */
function tileOf<T>(weight: Weight, x: usize, v: usize, scales: usize, out: usize, stride: usize): void {
  const ones = v128.load(ONES);
  const bytes: usize = idof<T>() === idof<OfI16>() ? PANEL * 2 : PANEL; // of v for one k
  const out1 = out + stride;
  const out2 = out1 + stride;
  const out3 = out2 + stride;
  clear(out);
  clear(out1);
  clear(out2);
  clear(out3);
  let q = x + INT8_ROWS * 4;
  const groupBytes = weight.groupSize * bytes;
  const last = v + weight.groups * PANEL * 4 + weight.k * bytes;
  while (v < last) {
    let c00 = v128.load(v);
    let c01 = v128.load(v, 16);
    v += PANEL * 4;
    let c10 = c00;
    let c11 = c01;
    let c20 = c00;
    let c21 = c01;
    let c30 = c00;
    let c31 = c01;
    for (const end = min(v + groupBytes, last); v < end; v += 32) {
      const w0 = v128.load(v);
      const w1 = v128.load(v, 16);
      let x = v128.load32_splat(q, 0);
      c00 = dot<T>(x, w0, ones, c00);
      c01 = dot<T>(x, w1, ones, c01);
      x = v128.load32_splat(q, 4);
      c10 = dot<T>(x, w0, ones, c10);
      c11 = dot<T>(x, w1, ones, c11);
      x = v128.load32_splat(q, 8);
      c20 = dot<T>(x, w0, ones, c20);
      c21 = dot<T>(x, w1, ones, c21);
      x = v128.load32_splat(q, 12);
      c30 = dot<T>(x, w0, ones, c30);
      c31 = dot<T>(x, w1, ones, c31);
      q += INT8_ROWS * 4;
    }
    const s0 = v128.load(scales);
    const s1 = v128.load(scales, 16);
    scales += PANEL * 4;
    addScaled(out, c00, s0);
    addScaled(out + 16, c01, s1);
    addScaled(out1, c10, s0);
    addScaled(out1 + 16, c11, s1);
    addScaled(out2, c20, s0);
    addScaled(out2 + 16, c21, s1);
    addScaled(out3, c30, s0);
    addScaled(out3 + 16, c31, s1);
  }
  scale(out, v128.load32_splat(x));
  scale(out1, v128.load32_splat(x, 4));
  scale(out2, v128.load32_splat(x, 8));
  scale(out3, v128.load32_splat(x, 12));
}

/** A row of a panel becomes 0. */
function clear(row: usize): void {
  v128.store(row, f32x4.splat(0));
  v128.store(row, f32x4.splat(0), 16);
}

/** A row of a panel times s. */
function scale(row: usize, s: v128): void {
  v128.store(row, f32x4.mul(v128.load(row), s));
  v128.store(row, f32x4.mul(v128.load(row, 16), s), 16);
}

/** tileOf with the products that the weight asks for. */
export function tileInt8(weight: Weight, x: usize, v: usize, scales: usize, out: usize, stride: usize): void {
  if (weight.products === I16) tileOf<OfI16>(weight, x, v, scales, out, stride);
  else if (ASC_FEATURE_RELAXED_SIMD) {
    if (weight.products === PAIRS) tileOf<OfPairs>(weight, x, v, scales, out, stride);
    else tileOf<OfQuads>(weight, x, v, scales, out, stride);
  }
}
