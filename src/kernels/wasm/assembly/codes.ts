import { next, thread } from "./threads";
import { PANEL } from "./tile";
import { codePanelBytes, halvesToFloats, Weight } from "./weight";

/**
 * Codes of `bits` bits in rows of whole blocks → panels [⌈n/8⌉, k, 8] in the same place, by way of `scratch` (a panel
 * and 8 bytes for each thread). The eight codes of one k are `bits` whole bytes.
 */
export function packCodes(codes: usize, n: usize, k: usize, bits: usize, scratch: usize, scratchBytes: usize): void {
  const bytes = codePanelBytes(k, bits);
  const rows = scratch + thread * scratchBytes;
  const mask: u32 = (1 << bits) - 1;
  for (let task: usize = next(); task * PANEL < n; task = next()) {
    let out = codes + task * bytes;
    memory.copy(rows, out, bytes);
    for (let i: usize = 0; i < k; i++) {
      const at = rows + ((i * bits) >> 3);
      const shift: u32 = (i * bits) & 7;
      let word: u64 = 0;
      for (let c: usize = 0; c < PANEL; c++) {
        const code = (<u32>load<u16>(at + c * (bytes / PANEL)) >> shift) & mask;
        word |= (<u64>code) << (c * bits);
      }
      for (const end = out + bits; out < end; out++) {
        store<u8>(out, word);
        word >>= 8;
      }
    }
  }
}

/**
 * How the eight codes of one k, `bits` whole bytes, get apart: code c lies in two neighbouring bytes; these go to a
 * 16-bit lane, a product shifts the code to the lane's top, and a shift by a constant takes it down, whatever its width.
 * Written to `at`: the bytes for a swizzle, then the factors.
 */
function prepareSplit(bits: usize, at: usize): void {
  for (let c: usize = 0; c < PANEL; c++) {
    store<u8>(at + 2 * c, (c * bits) >> 3);
    store<u8>(at + 2 * c, ((c * bits) >> 3) + 1, 1);
    store<u16>(at + 16 + 2 * c, <u16>((<u32>1) << (<u32>(16 - bits - ((c * bits) & 7)))));
  }
}

/** Eight codes as int16; `down` is 16 − bits. */
function split(from: usize, bytes: v128, factors: v128, down: i32): v128 {
  return i16x8.shr_u(i16x8.mul(i8x16.swizzle(v128.load64_zero(from), bytes), factors), down);
}

/** The codes that stand for 0 in a group's eight columns, as int16. */
function zerosOf(weight: Weight, at: usize): v128 {
  if (weight.zeros) return i16x8.extend_low_i8x16_u(v128.load64_zero(weight.zeros + at));
  return i16x8.splat(<i16>((<u32>1) << (<u32>(weight.bits - 1))));
}

/** Four of the weight's scales, as f32. */
function scalesOf(weight: Weight, at: usize): v128 {
  if (!weight.halfScales) return v128.load(weight.scales + at * 4);
  return halvesToFloats(v128.load16x4_u(weight.scales + at * 2));
}

/** The weights that the codes of a panel stand for, f32 out [k, 8]; QuantizedTensor has the formula. */
export function unpackCodes(weight: Weight, panel: usize, out: usize): void {
  const bits = weight.bits;
  prepareSplit(bits, out);
  const bytes = v128.load(out);
  const factors = v128.load(out, 16);
  const down: i32 = 16 - <i32>bits;

  const tables = weight.tables + panel * PANEL * weight.tableOfColumn;
  let from = weight.panels + panel * codePanelBytes(weight.k, bits);
  for (let group: usize = 0; group < weight.groups; group++) {
    const at = (panel * weight.groups + group) * PANEL;
    const scale0 = scalesOf(weight, at);
    const scale1 = scalesOf(weight, at + 4);
    const end = out + groupLength(weight, group) * PANEL * 4;
    if (weight.tables) {
      const table = tables + group * weight.tableOfGroup;
      const second = table + 4 * weight.tableOfColumn;
      for (; out < end; out += PANEL * 4, from += bits) {
        const codes = split(from, bytes, factors, down);
        const low = lookUp(i32x4.extend_low_i16x8_u(codes), table, weight.tableOfColumn);
        const high = lookUp(i32x4.extend_high_i16x8_u(codes), second, weight.tableOfColumn);
        v128.store(out, f32x4.mul(low, scale0));
        v128.store(out, f32x4.mul(high, scale1), 16);
      }
      continue;
    }
    const zeros = zerosOf(weight, at);
    for (; out < end; out += PANEL * 4, from += bits) {
      const steps = i16x8.sub(split(from, bytes, factors, down), zeros);
      v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(steps)), scale0));
      v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(steps)), scale1), 16);
    }
  }
}

/** Entry codes[c] of the table at table + c · stride. */
function lookUp(codes: v128, table: usize, stride: usize): v128 {
  const at = i32x4.shl(codes, 2);
  let values = v128.load32_zero(table + i32x4.extract_lane(at, 0));
  table += stride;
  values = v128.load32_lane(table + i32x4.extract_lane(at, 1), values, 1);
  table += stride;
  values = v128.load32_lane(table + i32x4.extract_lane(at, 2), values, 2);
  table += stride;
  return v128.load32_lane(table + i32x4.extract_lane(at, 3), values, 3);
}

/**
 * The whole numbers that the codes of a panel stand for before scaling, as the tiles of int8Tile.ts read them: at `starts`
 * −offset·Σv of the eight columns of each group, i32, and at `out` v: int16 [k/2, 8, 2] or, with `fours`, int8 [k/4, 8, 4].
 * Behind `out` there is room for a group in int16.
 */
export function unpackIntegers(weight: Weight, panel: usize, starts: usize, out: usize, fours: bool): void {
  const bits = weight.bits;
  prepareSplit(bits, out);
  const bytes = v128.load(out);
  const factors = v128.load(out, 16);
  const down: i32 = 16 - <i32>bits;

  const tables = weight.tables + panel * PANEL * weight.tableOfColumn;
  let from = weight.panels + panel * codePanelBytes(weight.k, bits);
  for (let group: usize = 0; group < weight.groups; group++) {
    const length = groupLength(weight, group);
    const end = from + length * bits;
    let to = out;
    if (!weight.tables) {
      const zeros = zerosOf(weight, (panel * weight.groups + group) * PANEL);
      for (; from < end; from += bits, to += 16) {
        v128.store(to, i16x8.sub(split(from, bytes, factors, down), zeros));
      }
    } else {
      const table = tables + group * weight.tableOfGroup;
      for (; from < end; from += bits, to += 16) {
        const codes = split(from, bytes, factors, down);
        if (weight.tableOfColumn === 0) v128.store(to, lookUpShared(codes, table, bits));
        else lookUpOwn(codes, table, weight.tableOfColumn, to);
      }
    }
    out = interleave(out, length, starts, weight.offset, fours);
    starts += PANEL * 4;
  }
}

/**
 * The v of a group, int16 [length, 8] → −offset·Σv at `starts`, and v in the same place with two neighbours along k
 * together, [length/2, 8, 2], or as int8 with four, [length/4, 8, 4]. Returns where it ends.
 */
function interleave(group: usize, length: usize, starts: usize, offset: i32, fours: bool): usize {
  let sum0 = i32x4.splat(0);
  let sum1 = sum0;
  let from = group;
  let to = from;
  for (const end = from + length * 16; from < end; from += 64) {
    const v0 = v128.load(from);
    const v1 = v128.load(from, 16);
    const v2 = v128.load(from, 32);
    const v3 = v128.load(from, 48);
    const sum = i16x8.add(i16x8.add(v0, v1), i16x8.add(v2, v3));
    sum0 = i32x4.add(sum0, i32x4.extend_low_i16x8_s(sum));
    sum1 = i32x4.add(sum1, i32x4.extend_high_i16x8_s(sum));
    const low01 = v128.shuffle<i16>(v0, v1, 0, 8, 1, 9, 2, 10, 3, 11);
    const high01 = v128.shuffle<i16>(v0, v1, 4, 12, 5, 13, 6, 14, 7, 15);
    const low23 = v128.shuffle<i16>(v2, v3, 0, 8, 1, 9, 2, 10, 3, 11);
    const high23 = v128.shuffle<i16>(v2, v3, 4, 12, 5, 13, 6, 14, 7, 15);
    if (fours) {
      v128.store(to, narrowPairs(low01, low23));
      v128.store(to, narrowPairs(high01, high23), 16);
      to += 32;
    } else {
      v128.store(to, low01);
      v128.store(to, high01, 16);
      v128.store(to, low23, 32);
      v128.store(to, high23, 48);
      to += 64;
    }
  }
  const factor = i32x4.splat(-offset);
  v128.store(starts, i32x4.mul(sum0, factor));
  v128.store(starts, i32x4.mul(sum1, factor), 16);
  return to;
}

/**
 * Codes of 8 bits, as packCodes lays them → what they stand for, int8 [k/4, 8, 4] in the same place, and weight.starts:
 * they need no more room than codes, and are not unpacked at each use.
 *
 * @param scratch `scratchBytes` a thread: a panel in int16
 */
export function layCodes(weight: Weight, n: usize, scratch: usize, scratchBytes: usize): void {
  const own = scratch + thread * scratchBytes;
  for (let task: usize = next(); task * PANEL < n; task = next()) {
    unpackIntegers(weight, task, weight.starts + task * weight.groups * PANEL * 4, own, true);
    memory.copy(weight.panels + task * codePanelBytes(weight.k, 8), own, weight.k * PANEL);
  }
}

/** int8 [k/4, 8, 4] → int16 [k/2, 8, 2]. */
export function widenIntegers(from: usize, k: usize, out: usize): void {
  for (const end = from + k * PANEL; from < end; from += 32, out += 64) {
    const low = v128.load(from);
    const high = v128.load(from, 16);
    const low01 = v128.shuffle<i16>(low, low, 0, 2, 4, 6, 1, 3, 5, 7); // pairs 0 and 1 of four columns, then 2 and 3
    const high01 = v128.shuffle<i16>(high, high, 0, 2, 4, 6, 1, 3, 5, 7);
    v128.store(out, i16x8.extend_low_i8x16_s(low01));
    v128.store(out, i16x8.extend_low_i8x16_s(high01), 16);
    v128.store(out, i16x8.extend_high_i8x16_s(low01), 32);
    v128.store(out, i16x8.extend_high_i8x16_s(high01), 48);
  }
}

/** int16 [4, 2] and [4, 2] → int8 [4, 4]: the pairs of both side by side. */
function narrowPairs(a: v128, b: v128): v128 {
  const bytes = i8x16.narrow_i16x8_s(a, b); // the pairs of a, then those of b, two bytes each
  return v128.shuffle<i16>(bytes, bytes, 0, 4, 1, 5, 2, 6, 3, 7);
}

/** Entries of one table of int8, 16 at a time: a swizzle gives 0 where the code lies in another part. */
function lookUpShared(codes: v128, table: usize, bits: usize): v128 {
  let values = i8x16.swizzle(v128.load(table), codes);
  for (let part = 16; part < 1 << bits; part += 16) {
    values = v128.or(values, i8x16.swizzle(v128.load(table + part), i8x16.sub(codes, i8x16.splat(<i8>part))));
  }
  return i16x8.shr_s(i16x8.shl(values, 8), 8);
}

/** out[c] = entry codes[c] of the table of int8 at table + c · stride. */
function lookUpOwn(codes: v128, table: usize, stride: usize, out: usize): void {
  v128.store(out, codes);
  for (const end = out + 16; out < end; out += 2, table += stride) {
    store<i16>(out, load<i8>(table + load<u16>(out)));
  }
}

/** Weights of a row in a group: the last one may be shorter. */
function groupLength(weight: Weight, group: usize): usize {
  return min(weight.groupSize, weight.k - group * weight.groupSize);
}
