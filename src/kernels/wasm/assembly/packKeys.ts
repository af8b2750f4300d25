import { packPanel } from "./pack";
import { largestOf } from "./quantizeRows";
import { rounded, wholeOf } from "./simd";
import { next, thread } from "./threads";
import { PANEL } from "./tile";
import { QUADS } from "./weight";

/** The most keys of a step. */
const MOST_KEYS: usize = 256;
const TINY: f32 = 1e-30;

/**
 * The largest whole number that `count` products are made of: what int8 holds for quads, for pairs of int16 as much as
 * leaves room for the sum in an int32.
 */
function limit(products: u32, count: usize): f32 {
  return products === QUADS ? 127 : min<f32>(32767, Mathf.floor(Mathf.sqrt(<f32>0x7fffff80 / <f32>count)) - 1);
}

/** The largest weight of softmax: uint8, which needs an offset where the products take x as signed. */
export function largestWeight(products: u32): f32 {
  return products === QUADS ? 255 : limit(products, MOST_KEYS);
}

/** Bytes of a row of whole numbers, zeros behind: whole vectors. */
export function rowBytes(products: u32, width: usize): usize {
  return products === QUADS ? (width + 15) & ~15 : ((width + 7) & ~7) * 2;
}

/** Columns of a head in whole panels. */
export function paddedWidth(width: usize): usize {
  return (width + PANEL - 1) & ~(PANEL - 1);
}

/** Bytes of a panel of v: words of two or four keys, of 8 columns each. */
export function valuePanelBytes(products: u32, keys: usize): usize {
  return keys * PANEL * (products === QUADS ? 1 : 2);
}

/**
 * What packKeys leaves of a step of keys of a head: starts i32 [keys], scales f32 [keys] and panels of k, and the same
 * of v with paddedWidth for keys.
 */
export function keyBytes(products: u32, width: usize, keys: usize): usize {
  return keys * (8 + rowBytes(products, width));
}
export function stepBytes(products: u32, width: usize, keys: usize): usize {
  return keyBytes(products, width, keys) + paddedWidth(width) * (8 + valuePanelBytes(products, keys) / PANEL);
}

/** Where it lies: the steps of a clip follow those of the one before, which has one that may be part of a step. */
export function stepAt(
  packed: usize,
  clip: usize,
  firstKey: usize,
  keys: usize,
  step: usize,
  heads: usize,
  head: usize,
  bytes: usize,
): usize {
  return packed + ((firstKey / keys + clip + step) * heads + head) * bytes;
}

/**
 * k and v of qkv [R, 3d] as whole numbers in panels, as tileInt8 reads them: k with a scale for each key, v with one for
 * each column of a step.
 *
 * @param steps of the longest clip
 * @param keys of a step, a multiple of 16: MOST_KEYS, or fewer where every clip is one step
 * @param offset what is added to the numbers that they are multiplied with
 * @param scratch 8 rows of whole numbers a thread
 */
export function packKeys(
  qkv: usize,
  offsets: usize,
  packed: usize,
  clips: usize,
  heads: usize,
  steps: usize,
  keys: usize,
  width: usize,
  products: u32,
  offset: i32,
  scratch: usize,
): void {
  const bytes = rowBytes(products, width);
  const d = heads * width;
  const stride = 12 * d;
  const rows = scratch + thread * PANEL * bytes;
  for (let task: usize = next(); task < clips * heads * steps; task = next()) {
    const clip = task / (heads * steps);
    const head = task % heads;
    const step = (task / heads) % steps;
    const firstKey = load<u32>(offsets + clip * 4);
    const end = load<u32>(offsets + clip * 4, 4);
    const first = firstKey + step * keys;
    if (first >= end) continue;
    const count = min(keys, end - first);
    const starts = stepAt(packed, clip, firstKey, keys, step, heads, head, stepBytes(products, width, keys));
    const panels = starts + keys * 8;
    const source: usize = qkv + first * stride + (d + head * width) * 4;
    for (let i: usize = 0; i < count; i += PANEL) {
      for (let r: usize = 0; r < PANEL; r++) {
        const row = rows + r * bytes;
        const scale = roundRow(source + min(i + r, count - 1) * stride, width, products, 0, row);
        store<i32>(starts + (i + r) * 4, offset ? -offset * sumOfBytes(row, bytes) : 0);
        f32.store(starts + (keys + i + r) * 4, scale);
      }
      packPanel(rows, bytes, rows + (PANEL - 1) * bytes, bytes / 4, panels + i * bytes);
    }
    const padded = paddedWidth(width);
    const valueStarts = starts + keyBytes(products, width, keys);
    for (let column: usize = 0; column < width; column += PANEL) {
      const at = valueStarts + column * 4;
      const panel = valueStarts + padded * 8 + (column / PANEL) * valuePanelBytes(products, keys);
      packValues(source + (d + column) * 4, stride, count, products, offset, at, at + padded * 4, panel);
    }
  }
}

/** A row as whole numbers, zeros behind, plus an offset where they are int8; returns what a one of them is worth. */
export function roundRow(x: usize, width: usize, products: u32, offset: i32, out: usize): f32 {
  const end = x + width * 4;
  const largest = largestOf(x, end);
  const top = limit(products, width);
  const factor = f32x4.splat(largest < TINY ? 0 : top / largest);
  if (products === QUADS) {
    for (; x < end; x += 64, out += 16) {
      const low = i16x8.narrow_i32x4_s(wholeBefore(x, end, factor), wholeBefore(x + 16, end, factor));
      const high = i16x8.narrow_i32x4_s(wholeBefore(x + 32, end, factor), wholeBefore(x + 48, end, factor));
      v128.store(out, v128.xor(i8x16.narrow_i16x8_s(low, high), i8x16.splat(<i8>offset)));
    }
  } else {
    for (; x < end; x += 32, out += 16) {
      v128.store(out, i16x8.narrow_i32x4_s(wholeBefore(x, end, factor), wholeBefore(x + 16, end, factor)));
    }
  }
  return largest / top;
}

/** The whole numbers nearest to x · factor, i32. */
export function whole(x: v128, factor: v128): v128 {
  return wholeOf(rounded(f32x4.mul(x, factor)));
}

/** Those of four numbers in memory, 0 from `end` on. */
function wholeBefore(x: usize, end: usize, factor: v128): v128 {
  return x < end ? whole(v128.load(x), factor) : i32x4.splat(0);
}

/** Sum of int8 numbers, whole vectors. */
function sumOfBytes(at: usize, bytes: usize): i32 {
  let sums = i32x4.splat(0);
  for (const end = at + bytes; at < end; at += 16) {
    sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v128.load(at))));
  }
  const pairs = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

/**
 * `count` rows of 8 columns of v → a panel [⌈count/2⌉, 8, 2] of int16 or [⌈count/4⌉, 8, 4] of int8; the scales are
 * those of the products with the weights of softmax.
 */
function packValues(
  v: usize,
  stride: usize,
  count: usize,
  products: u32,
  offset: i32,
  starts: usize,
  scales: usize,
  out: usize,
): void {
  const end = v + count * stride;
  let most0 = f32x4.splat(TINY);
  let most1 = most0;
  for (let row = v; row < end; row += stride) {
    most0 = f32x4.pmax(most0, f32x4.abs(v128.load(row)));
    most1 = f32x4.pmax(most1, f32x4.abs(v128.load(row, 16)));
  }
  const top = limit(products, MOST_KEYS);
  const worth = f32x4.splat(<f32>1 / (top * largestWeight(products)));
  v128.store(scales, f32x4.mul(most0, worth));
  v128.store(scales, f32x4.mul(most1, worth), 16);
  const factor0 = f32x4.div(f32x4.splat(top), most0);
  const factor1 = f32x4.div(f32x4.splat(top), most1);
  let sum0 = i32x4.splat(0);
  let sum1 = sum0;
  const step: usize = products === QUADS ? 4 : 2;
  for (; v < end; v += step * stride, out += 32) {
    const last = end - stride;
    const b = v + stride;
    const a0 = whole(v128.load(v), factor0);
    const a1 = whole(v128.load(v, 16), factor1);
    const b0 = b <= last ? whole(v128.load(b), factor0) : i32x4.splat(0);
    const b1 = b <= last ? whole(v128.load(b, 16), factor1) : i32x4.splat(0);
    const ab0 = i16x8.narrow_i32x4_s(a0, b0);
    const ab1 = i16x8.narrow_i32x4_s(a1, b1);
    if (products !== QUADS) {
      v128.store(out, v128.shuffle<i16>(ab0, ab0, 0, 4, 1, 5, 2, 6, 3, 7));
      v128.store(out, v128.shuffle<i16>(ab1, ab1, 0, 4, 1, 5, 2, 6, 3, 7), 16);
      continue;
    }
    const c = b + stride;
    const d = c + stride;
    const c0 = c <= last ? whole(v128.load(c), factor0) : i32x4.splat(0);
    const c1 = c <= last ? whole(v128.load(c, 16), factor1) : i32x4.splat(0);
    const d0 = d <= last ? whole(v128.load(d), factor0) : i32x4.splat(0);
    const d1 = d <= last ? whole(v128.load(d, 16), factor1) : i32x4.splat(0);
    const all0 = i8x16.narrow_i16x8_s(ab0, i16x8.narrow_i32x4_s(c0, d0));
    const all1 = i8x16.narrow_i16x8_s(ab1, i16x8.narrow_i32x4_s(c1, d1));
    v128.store(out, v128.shuffle<i8>(all0, all0, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    v128.store(out, v128.shuffle<i8>(all1, all1, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), 16);
    sum0 = i32x4.add(sum0, i32x4.add(i32x4.add(a0, b0), i32x4.add(c0, d0)));
    sum1 = i32x4.add(sum1, i32x4.add(i32x4.add(a1, b1), i32x4.add(c1, d1)));
  }
  // Weights of softmax lie 128 lower where products take them as signed.
  const lower = i32x4.splat(128 - offset);
  v128.store(starts, i32x4.mul(sum0, lower));
  v128.store(starts, i32x4.mul(sum1, lower), 16);
}
