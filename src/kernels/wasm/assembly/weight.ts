import { unpackCodes } from "./codes";
import { INT8_ROWS, int8TileBytes, tileInt8 } from "./int8";
import { PANEL, ROWS, tile } from "./tile";

/** Formats of a weight. */
export const F32: u32 = 0;
export const F16: u32 = 1;
export const CODES: u32 = 2;
export const INT8: u32 = 3;

/**
 * The weight [N, K] of a linear layer, as the host describes it (weight.ts has the same fields in the same order).
 * `panels` are [⌈N/8⌉, K, 8] numbers, or codes as packCodes and packInt8 lay them. Pointers may be 0, which is none.
 */
@unmanaged
export class Weight {
  format: u32;
  panels: usize;
  k: usize;
  /** Codes: bits of one, and how many along K share a scale. */
  bits: usize;
  groupSize: usize;
  groups: usize;
  /** f32 [⌈N/8⌉, groups, 8]. */
  scales: usize;
  /** u8 [⌈N/8⌉, groups, 8]. */
  zeros: usize;
  /** f32 tables of 2^bits; bytes from a column's to the next column's, and from a group's to the next group's. */
  tables: usize;
  tableOfColumn: usize;
  tableOfGroup: usize;
  /** INT8: the scale of x, 0 for each row's own. */
  activation: f32;
}

/** Rows of x that `multiply` takes at a time. */
export function tileRows(weight: Weight): usize {
  return weight.format === INT8 ? INT8_ROWS : ROWS;
}

/** Four f16 numbers in the low halves of 32 bits, as f32: the exponent is re-biased by a product. No ∞, no NaN. */
function halvesToFloats(bits: v128): v128 {
  const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  return v128.or(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33 /* 2^112 */)), sign);
}

/**
 * The panels [count] of a weight from panel `first` on as `multiply` takes them: f32 and int8 ones where they are,
 * others unpacked into `scratch` [count, k, 8].
 */
export function panels(weight: Weight, first: usize, count: usize, scratch: usize): usize {
  const k = weight.k;
  const numbers = k * PANEL;
  if (weight.format === F32) return weight.panels + first * numbers * 4;
  if (weight.format === INT8) return weight.panels + first * codePanelBytes(k, 8);
  if (weight.format === CODES) {
    for (let p: usize = 0; p < count; p++) unpackCodes(weight, first + p, scratch + p * numbers * 4);
    return scratch;
  }
  const source = weight.panels + first * numbers * 2;
  for (let i: usize = 0; i < count * numbers; i += 8) {
    const bits = v128.load(source + i * 2);
    v128.store(scratch + i * 4, halvesToFloats(i32x4.extend_low_i16x8_u(bits)));
    v128.store(scratch + i * 4, halvesToFloats(i32x4.extend_high_i16x8_u(bits)), 16);
  }
  return scratch;
}

/** Bytes of a panel of codes: those of eight rows of whole blocks of 32, as they came. */
export function codePanelBytes(k: usize, bits: usize): usize {
  return ((k + 31) & ~31) * bits;
}

/**
 * out [tileRows, 8·count] = x · wᵀ for a tile of rows from `row` on (of x as packRows or quantizeRows lay it) and the
 * `count` panels at `w`, the first of which is the weight's panel `first`. Rows of `out` are `stride` bytes apart.
 */
export function multiply(
  weight: Weight,
  x: usize,
  row: usize,
  w: usize,
  first: usize,
  count: usize,
  out: usize,
  stride: usize,
): void {
  const k = weight.k;
  if (weight.format === INT8) {
    const a = x + (row / INT8_ROWS) * int8TileBytes(k);
    for (let p: usize = 0; p < count; p++) {
      const scales = weight.scales + (first + p) * PANEL * 4;
      tileInt8(a, w + p * codePanelBytes(k, 8), k, scales, out + p * PANEL * 4, stride);
    }
    return;
  }
  const a = x + row * k * 4;
  for (let p: usize = 0; p < count; p++) {
    tile(a, w + p * k * PANEL * 4, k, out + p * PANEL * 4, stride, false);
  }
}
