import { int8Rows, int8Tile, rowsFor, SCALES } from "./int8";
import { normalise } from "./layerNorm";
import { rectify } from "./relu";
import { maxLanes, rounded, wholeOf } from "./simd";
import { next, thread } from "./threads";
import { I16, Weight } from "./weight";

/** In memory for the reason that simd.ts gives. */
const TOP: usize = memory.data<f32>([127, 127, 127, 127], 16);
const BOTTOM: usize = memory.data<f32>([-127, -127, -127, -127], 16);

/**
 * Rows firstRow … firstRow + rows − 1 of x [R, k] → tiles of whole numbers from −127 to 127, as `tileInt8` reads them;
 * QuantizedTensor.activation has the formula. With `gamma` and `beta` (0 is none) the rows are layer-normalised on
 * the way, in `scratch` [k] of each thread; with a `width` they are the first k of so many columns, and get ReLU with that
 * scale and shift. Rows of the last tile past the end stay undefined: so do their sums.
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
  width: usize,
): void {
  const k = weight.k;
  const pitch = (width ? width : k) * 4;
  const most = int8Rows(weight.products);
  const normalised = scratch + thread * k * 4;
  for (let task: usize = next(); task * most < rows; task = next()) {
    const rest = rows - task * most;
    const tileRows = rowsFor(rest, most);
    const tile = int8Tile(weight, out, task * most);
    for (let r: usize = 0; r < min(tileRows, rest); r++) {
      let row = x + (firstRow + task * most + r) * pitch;
      if (width) {
        const largest = rectify(row, gamma, beta, normalised, k);
        quantizeRowBy(largest, normalised, weight, tile + r * 4, tileRows * 4);
        continue;
      }
      if (gamma) {
        normalise(row, gamma, beta, normalised, k);
        row = normalised;
      }
      quantizeRow(row, weight, tile + r * 4, tileRows * 4);
    }
  }
}

/** One row of a tile, its scale at `out`; `stride` is the bytes of one step of all rows. */
export function quantizeRow(x: usize, weight: Weight, out: usize, stride: usize): void {
  const largest = weight.activation === 0 ? largestOf(x, x + weight.k * 4) : 0;
  quantizeRowBy(largest, x, weight, out, stride);
}

/** The scale of whole numbers that stand for up to `largest`: the weight's own if it has one. */
export function scaleBy(largest: f32, weight: Weight): f32 {
  return weight.activation === 0 ? largest * <f32>(1.0 / 127.0) : weight.activation;
}

/** What numbers are multiplied by to become whole ones. */
export function factorBy(largest: f32, weight: Weight): f32 {
  if (weight.activation !== 0) return <f32>1 / weight.activation;
  return largest < <f32>1e-30 ? 0 : <f32>127 / largest;
}

/** The same by the scale of numbers up to `largest`. */
export function quantizeRowBy(largest: f32, x: usize, weight: Weight, out: usize, stride: usize): void {
  const end = x + weight.k * 4;
  f32.store(out, scaleBy(largest, weight));
  out += SCALES * 4;
  const factors = f32x4.splat(factorBy(largest, weight));
  if (weight.products === I16) {
    for (; x + 16 < end; x += 32) {
      const pairs = i16x8.narrow_i32x4_s(quantized(x, factors), quantized(x + 16, factors));
      out = storeFour(out, pairs, stride);
    }
    if (x < end) {
      const whole = quantized(x, factors);
      const pairs = i16x8.narrow_i32x4_s(whole, whole);
      v128.store32_lane(out, pairs, 0);
      v128.store32_lane(out + stride, pairs, 1);
    }
    return;
  }
  const offsets = i8x16.splat(<i8>weight.offset); // 0 or 128: as bytes, a sum is an exclusive or
  for (; x + 48 < end; x += 64) {
    const low = i16x8.narrow_i32x4_s(quantized(x, factors), quantized(x + 16, factors));
    const high = i16x8.narrow_i32x4_s(quantized(x + 32, factors), quantized(x + 48, factors));
    out = storeFour(out, v128.xor(i8x16.narrow_i16x8_s(low, high), offsets), stride);
  }
  for (; x < end; x += 16, out += stride) {
    const whole = quantized(x, factors);
    const pairs = i16x8.narrow_i32x4_s(whole, whole);
    v128.store32_lane(out, v128.xor(i8x16.narrow_i16x8_s(pairs, pairs), offsets), 0);
  }
}

/** Neighbours from x to `end`, whole vectors → int8 with the weight's offset, or int16 for int16 products. */
export function quantizeRun(factor: f32, x: usize, end: usize, weight: Weight, out: usize): void {
  const factors = f32x4.splat(factor);
  if (weight.products === I16) {
    for (; x < end; x += 16, out += 8) {
      const whole = quantized(x, factors);
      v128.store64_lane(out, i16x8.narrow_i32x4_s(whole, whole), 0);
    }
    return;
  }
  const offsets = i8x16.splat(<i8>weight.offset);
  for (; x + 48 < end; x += 64, out += 16) {
    const low = i16x8.narrow_i32x4_s(quantized(x, factors), quantized(x + 16, factors));
    const high = i16x8.narrow_i32x4_s(quantized(x + 32, factors), quantized(x + 48, factors));
    v128.store(out, v128.xor(i8x16.narrow_i16x8_s(low, high), offsets));
  }
  for (; x < end; x += 16, out += 4) {
    const whole = quantized(x, factors);
    const pairs = i16x8.narrow_i32x4_s(whole, whole);
    v128.store32_lane(out, v128.xor(i8x16.narrow_i16x8_s(pairs, pairs), offsets), 0);
  }
}

/** The largest magnitude of whole vectors of f32. */
export function largestOf(x: usize, end: usize): f32 {
  let even = f32x4.splat(0);
  let odd = even;
  for (; x + 16 < end; x += 32) {
    even = f32x4.pmax(even, f32x4.abs(v128.load(x)));
    odd = f32x4.pmax(odd, f32x4.abs(v128.load(x, 16)));
  }
  if (x < end) even = f32x4.pmax(even, f32x4.abs(v128.load(x)));
  return maxLanes(f32x4.pmax(even, odd));
}

/** Four numbers times the factors as whole numbers from −127 to 127, i32. */
function quantized(x: usize, factors: v128): v128 {
  const value = f32x4.mul(v128.load(x), factors);
  return wholeOf(rounded(f32x4.pmax(f32x4.pmin(value, v128.load(TOP)), v128.load(BOTTOM))));
}

/** The four words of a vector, `stride` bytes apart; returns where the next would go. */
export function storeFour(out: usize, words: v128, stride: usize): usize {
  v128.store32_lane(out, words, 0);
  out += stride;
  v128.store32_lane(out, words, 1);
  out += stride;
  v128.store32_lane(out, words, 2);
  out += stride;
  v128.store32_lane(out, words, 3);
  return out + stride;
}
