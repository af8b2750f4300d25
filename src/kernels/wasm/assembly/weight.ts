import { unpackCodes, unpackIntegers, widenIntegers } from "./codes";
import { Finish, finishTile } from "./finish";
import { int8Rows, int8Tile, rowsFor } from "./int8";
import { tileInt8 } from "./int8Tile";
import { PANEL, ROWS, tile } from "./tile";

/** Formats of a weight. */
export const F32: u32 = 0;
export const F16: u32 = 1;
export const CODES: u32 = 2;
export const INT8: u32 = 3;

/**
 * How int8 products are made (module.ts finds out which of them come out right here): of int16 pairs, which every
 * runtime has; or by relaxed SIMD's dot products of int8, pairs to int16 or quads to int32.
 */
export const I16: u32 = 0;
export const PAIRS: u32 = 1;
export const QUADS: u32 = 2;

/**
 * The weight [N, K] of a linear layer, as the host describes it (weight.ts has the same fields in the same order).
 * `panels` are [⌈N/8⌉, K, 8] numbers, or codes as packCodes lays them; INT8 are codes whose products with int8
 * activations are summed as integers. Pointers may be 0, which is none.
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
  /** f32 [⌈N/8⌉, groups, 8], or f16 with `halfScales`. */
  scales: usize;
  /** u8 [⌈N/8⌉, groups, 8]. */
  zeros: usize;
  /** Tables of 2^bits entries, f32 (int8 for INT8, 16 at least); bytes from a column's to the next column's, and from a group's to the next group's. */
  tables: usize;
  tableOfColumn: usize;
  tableOfGroup: usize;
  /** INT8: the scale of x, 0 for each row's own. */
  activation: f32;
  /** INT8: how products are made, and what is added to the int8 numbers of x for that (the panels take it off again). */
  products: u32;
  offset: i32;
  /** INT8 of 8 bits, which lie as layCodes leaves them: −offset·Σ of each group's columns, i32 [⌈N/8⌉, groups, 8]. Else 0. */
  starts: usize;
  halfScales: u32;
}

/** Four f16 numbers in the low halves of 32 bits, as f32: the exponent is re-biased by a product. No ∞, no NaN. */
export function halvesToFloats(bits: v128): v128 {
  const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  return v128.or(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33 /* 2^112 */)), sign);
}

/**
 * The panels [count] of a weight from panel `first` on as `multiply` takes them: those in memory that need no unpacking,
 * others unpacked into `scratch`, panelBytes each.
 */
export function panels(weight: Weight, first: usize, count: usize, scratch: usize): usize {
  const numbers = weight.k * PANEL;
  if (weight.format === F32) return weight.panels + first * numbers * 4;
  if (isReady(weight)) return weight.panels + first * panelBytes(weight);
  for (let p: usize = 0; p < count; p++) {
    const out = scratch + p * panelBytes(weight);
    if (weight.format === F16) unpackHalves(weight.panels + (first + p) * numbers * 2, numbers, out);
    else if (weight.format === CODES) unpackCodes(weight, first + p, out);
    else if (weight.starts) widenIntegers(weight.panels + (first + p) * codePanelBytes(weight.k, 8), weight.k, out);
    else {
      unpackIntegers(weight, first + p, out, out + headBytes(weight), weight.products !== I16);
      if (weight.halfScales) {
        const sums = weight.groups * PANEL;
        unpackHalves(weight.scales + (first + p) * sums * 2, sums, out + sums * 4);
      }
    }
  }
  return scratch;
}

/** Whether the panels lie as the tiles of int8Tile.ts read them. */
function isReady(weight: Weight): bool {
  return weight.starts !== 0 && weight.products !== I16;
}

/** Bytes in front of an unpacked panel of INT8: the sums that its groups start from, and their scales if those are f16. */
export function headBytes(weight: Weight): usize {
  return weight.starts ? 0 : weight.groups * PANEL * (weight.halfScales ? 8 : 4);
}

/** Bytes of a panel for `multiply`. */
export function panelBytes(weight: Weight): usize {
  if (weight.format !== INT8) return weight.k * PANEL * 4;
  if (isReady(weight)) return codePanelBytes(weight.k, 8);
  return headBytes(weight) + weight.k * PANEL * (weight.products === I16 ? 2 : 1);
}

/** INT8: the sums that the groups of the panel at `w` start from. */
export function startsOf(weight: Weight, w: usize, index: usize): usize {
  return weight.starts ? weight.starts + index * weight.groups * PANEL * 4 : w;
}

/** INT8: its scales. */
export function scalesOf(weight: Weight, w: usize, index: usize): usize {
  const sums = weight.groups * PANEL * 4;
  return weight.halfScales ? w + sums : weight.scales + index * sums;
}

function unpackHalves(source: usize, count: usize, out: usize): void {
  for (let i: usize = 0; i < count; i += 8) {
    const bits = v128.load(source + i * 2);
    v128.store(out + i * 4, halvesToFloats(i32x4.extend_low_i16x8_u(bits)));
    v128.store(out + i * 4, halvesToFloats(i32x4.extend_high_i16x8_u(bits)), 16);
  }
}

/** Bytes of a panel of codes: those of eight rows of whole blocks of 32, as they came. */
export function codePanelBytes(k: usize, bits: usize): usize {
  return ((k + 31) & ~31) * bits;
}

/** Rows of x that a tile takes where `rest` are left, as packRows and quantizeRows lay them. */
export function tileRows(weight: Weight, rest: usize): usize {
  return weight.format === INT8 ? rowsFor(rest, int8Rows(weight.products)) : ROWS;
}

/**
 * finish(x · wᵀ) for a tile of `rows` rows from `row` on (of x as packRows or quantizeRows lay it) and the panel at `w`,
 * which is the weight's panel `index`.
 *
 * @param partial room for a tile of f32
 */
export function multiply(
  weight: Weight,
  x: usize,
  row: usize,
  rows: usize,
  w: usize,
  index: usize,
  partial: usize,
  finish: Finish,
): void {
  const k = weight.k;
  if (weight.format === INT8) {
    const starts = startsOf(weight, w, index);
    const scales = scalesOf(weight, w, index);
    tileInt8(weight, rows, int8Tile(weight, x, row), w + headBytes(weight), starts, scales, partial, finish);
  } else {
    tile(x + row * k * 4, w, k, partial, PANEL * 4, false);
    finishTile(partial, rows, finish);
  }
}
