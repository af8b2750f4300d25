import { FINISH_BYTES, Finish, finishTo } from "./finish";
import { int8Rows, rowsFor, SCALES } from "./int8";
import { tileInt8 } from "./int8Tile";
import { packTileOf } from "./pack";
import {
  keyBytes,
  largestWeight,
  paddedWidth,
  roundRow,
  rowBytes,
  stepAt,
  stepBytes,
  valuePanelBytes,
  whole,
} from "./packKeys";
import { storeFour } from "./quantizeRows";
import { exp, expOf, maxLanes, sumLanes } from "./simd";
import { next, thread } from "./threads";
import { PANEL } from "./tile";
import { QUADS, Weight } from "./weight";

const LOWEST: f32 = -3e38;
/** Room for a Weight in scratch. */
const WEIGHT_BYTES: usize = 64;

/**
 * As `attention`, with both products in whole numbers: int8 where there are quads, else pairs of int16 of eleven bits
 * and more.
 *
 * @param packed what packKeys left
 * @param keys of a step, as for packKeys
 * @param blocks tasks that the longest clip needs for a head
 * @param most queries of a task: whole tiles
 * @param products QUADS or I16; `offset` as for Weight
 * @param scratch `scratchBytes` a thread, see the pointers below
 */
export function attentionInt(
  qkv: usize,
  packed: usize,
  offsets: usize,
  y: usize,
  clips: usize,
  heads: usize,
  keys: usize,
  blocks: usize,
  most: usize,
  width: usize,
  products: u32,
  offset: i32,
  scratch: usize,
  scratchBytes: usize,
): void {
  const bytes = rowBytes(products, width);
  const padded = paddedWidth(width);
  const d = heads * width;
  const stride = 12 * d;
  const sumBytes = padded * 4; // of a row of sums
  const tileMost = int8Rows(products);
  const tileBytes = SCALES * 4 + tileMost * bytes;
  const finish = changetype<Finish>(scratch + thread * scratchBytes);
  const ofKeys = changetype<Weight>(changetype<usize>(finish) + FINISH_BYTES);
  const ofValues = changetype<Weight>(changetype<usize>(ofKeys) + WEIGHT_BYTES);
  const rows = changetype<usize>(ofValues) + WEIGHT_BYTES; // a tile's, one after another
  const queries = rows + tileMost * bytes; // tiles
  const sums = queries + (most / tileMost) * tileBytes; // f32 [most, padded]
  const scores = sums + most * sumBytes; // f32 [tileMost, keys]
  const weights = scores + tileMost * keys * 4; // a tile
  const maxima = weights + SCALES * 4 + (tileMost * valuePanelBytes(products, keys)) / PANEL; // [most]
  const totals = maxima + most * 4; // [most]
  describe(ofKeys, products, products === QUADS ? bytes : bytes / 2);
  for (let r: usize = 0; r < tileMost; r++) f32.store(weights + r * 4, 1);

  for (let task: usize = next(); task < clips * heads * blocks; task = next()) {
    const clip = task / (heads * blocks);
    const head = (task / blocks) % heads;
    const firstKey = load<u32>(offsets + clip * 4);
    const end = load<u32>(offsets + clip * 4, 4);
    const firstQuery = firstKey + (task % blocks) * most;
    if (firstQuery >= end) continue;
    const count = min(most, end - firstQuery);

    const first: usize = qkv + firstQuery * stride + head * width * 4;
    const scale = <f32>1 / sqrt<f32>(<f32>width);
    for (let row: usize = 0; row < count; row += tileMost) {
      const tile = queries + (row / tileMost) * tileBytes;
      const tileRows = rowsFor(count - row, tileMost);
      for (let r: usize = 0; r < tileRows; r++) {
        const query = first + min(row + r, count - 1) * stride;
        f32.store(tile + r * 4, roundRow(query, width, products, offset, rows + r * bytes) * scale);
      }
      packTileOf(tileRows, rows, bytes, rows + (tileRows - 1) * bytes, bytes / 4, tile + SCALES * 4);
    }
    memory.fill(sums, 0, most * sumBytes);
    memory.fill(totals, 0, most * 4);
    for (let i: usize = 0; i < most; i++) f32.store(maxima + i * 4, LOWEST);

    for (let step: usize = 0; firstKey + step * keys < end; step++) {
      const keyCount = min(keys, end - firstKey - step * keys);
      const keyStarts = stepAt(packed, clip, firstKey, keys, step, heads, head, stepBytes(products, width, keys));
      const keyPanels = keyStarts + keys * 8;
      const valueStarts = keyStarts + keyBytes(products, width, keys);
      const values = valueStarts + padded * 8;
      describe(ofValues, products, (keyCount + 3) & ~3);
      for (let row: usize = 0; row < count; row += tileMost) {
        const tileRows = rowsFor(count - row, tileMost);
        const x = queries + (row / tileMost) * tileBytes;
        for (let i: usize = 0; i < keyCount; i += PANEL) {
          const starts = keyStarts + i * 4;
          finishTo(finish, scores + i * 4, keys * 4, 0, false, 0);
          tileInt8(ofKeys, tileRows, x, keyPanels + i * bytes, starts, starts + keys * 4, 0, finish);
        }
        for (let r: usize = 0; r < tileRows; r++) {
          const at = (row + r) * 4;
          const sum = sums + (row + r) * sumBytes;
          const out = weights + (SCALES + r) * 4;
          softmaxStep(
            scores + r * keys * 4,
            keyCount,
            maxima + at,
            totals + at,
            sum,
            sumBytes,
            products,
            offset,
            out,
            tileRows * 4,
          );
        }
        for (let column: usize = 0; column < width; column += PANEL) {
          const out = sums + row * sumBytes + column * 4;
          const starts = valueStarts + column * 4;
          const panel = values + (column / PANEL) * valuePanelBytes(products, keys);
          finishTo(finish, out, sumBytes, 0, false, out);
          tileInt8(ofValues, tileRows, weights, panel, starts, starts + padded * 4, 0, finish);
        }
      }
    }

    for (let row: usize = 0; row < count; row++) {
      const out: usize = y + ((firstQuery + row) * d + head * width) * 4;
      const factor = f32x4.splat(<f32>1 / f32.load(totals + row * 4));
      for (let at: usize = 0; at < width * 4; at += 16) {
        v128.store(out + at, f32x4.mul(v128.load(sums + row * sumBytes + at), factor));
      }
    }
  }
}

/** What tileInt8 needs to know of a product that sums k numbers. */
function describe(weight: Weight, products: u32, k: usize): void {
  weight.k = k;
  weight.groupSize = k;
  weight.groups = 1;
  weight.products = products;
}

/**
 * One query and one step of keys: its scores become exp(score − maximum) in whole numbers, in a tile at `out` whose words
 * are `outStride` bytes apart, and what was summed under the old maximum is shrunk to the new one. Weights past `count`,
 * up to whole vectors, are 0.
 */
function softmaxStep(
  scores: usize,
  count: usize,
  maximum: usize,
  total: usize,
  sums: usize,
  sumBytes: usize,
  products: u32,
  offset: i32,
  out: usize,
  outStride: usize,
): void {
  const end = scores + ((count + 15) & ~15) * 4;
  for (let at = scores + count * 4; at < end; at += 4) f32.store(at, LOWEST);
  let even = f32x4.splat(LOWEST);
  let odd = even;
  for (let at = scores; at < end; at += 32) {
    even = f32x4.pmax(even, v128.load(at));
    odd = f32x4.pmax(odd, v128.load(at, 16));
  }
  const before = f32.load(maximum);
  const after = max(before, maxLanes(f32x4.pmax(even, odd)));
  f32.store(maximum, after);

  const top = f32x4.splat(largestWeight(products));
  const lower = i8x16.splat(<i8>(128 - offset)); // by 128: as bytes, an exclusive or
  const most = f32x4.splat(after);
  let sum = f32x4.splat(0);
  for (let at = scores; at < end; at += 64) {
    const a = exp(f32x4.sub(v128.load(at), most));
    const b = exp(f32x4.sub(v128.load(at, 16), most));
    const c = exp(f32x4.sub(v128.load(at, 32), most));
    const d = exp(f32x4.sub(v128.load(at, 48), most));
    sum = f32x4.add(sum, f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
    const ab = i16x8.narrow_i32x4_s(whole(a, top), whole(b, top));
    const cd = i16x8.narrow_i32x4_s(whole(c, top), whole(d, top));
    if (products === QUADS) out = storeFour(out, v128.xor(i8x16.narrow_i16x8_u(ab, cd), lower), outStride);
    else out = storeFour(storeFour(out, ab, outStride), cd, outStride);
  }
  const shrink = expOf(before - after);
  f32.store(total, f32.load(total) * shrink + sumLanes(sum));
  if (shrink === 1) return;
  for (const sumEnd = sums + sumBytes; sums < sumEnd; sums += 16) {
    v128.store(sums, f32x4.mul(v128.load(sums), f32x4.splat(shrink)));
  }
}
