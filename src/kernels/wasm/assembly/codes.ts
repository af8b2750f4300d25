import { next, thread } from "./threads";
import { PANEL } from "./tile";
// biome-ignore lint/style/useImportType: AssemblyScript knows no type imports
import { codePanelBytes, Weight } from "./weight";

/**
 * Codes of `bits` bits in rows of whole blocks → panels [⌈n/8⌉, k, 8] in the same place, by way of `scratch` (a panel
 * and 8 bytes for each thread). The eight codes of one k are `bits` whole bytes.
 */
export function packCodes(
  codes: usize,
  n: usize,
  k: usize,
  bits: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
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
 * The weights that the codes of a panel stand for, f32 out [k, 8]; QuantizedTensor has the formula. Code c of the
 * eight lies in two neighbouring bytes: these go to a 16-bit lane, a product shifts the code to the lane's top, and a
 * shift by a constant takes it down, whatever its width.
 */
export function unpackCodes(weight: Weight, panel: usize, out: usize): void {
  const bits = weight.bits;
  for (let c: usize = 0; c < PANEL; c++) {
    store<u8>(out + 2 * c, (c * bits) >> 3);
    store<u8>(out + 2 * c, ((c * bits) >> 3) + 1, 1);
    store<u16>(out + 16 + 2 * c, <u16>((<u32>1) << (<u32>(16 - bits - ((c * bits) & 7)))));
  }
  const bytes = v128.load(out);
  const factors = v128.load(out, 16);
  const down: i32 = 16 - <i32>bits;

  const tables = weight.tables + panel * PANEL * weight.tableOfColumn;
  let from = weight.panels + panel * codePanelBytes(weight.k, bits);
  for (let group: usize = 0; group < weight.groups; group++) {
    const at = (panel * weight.groups + group) * PANEL;
    const scale0 = v128.load(weight.scales + at * 4);
    const scale1 = v128.load(weight.scales + at * 4, 16);
    const count = min(weight.groupSize, weight.k - group * weight.groupSize);
    const end = out + count * PANEL * 4;
    if (weight.tables) {
      const table = tables + group * weight.tableOfGroup;
      for (; out < end; out += PANEL * 4, from += bits) {
        const codes = i16x8.shr_u(i16x8.mul(i8x16.swizzle(v128.load64_zero(from), bytes), factors), down);
        v128.store(
          out,
          f32x4.mul(lookUp(i32x4.extend_low_i16x8_u(codes), table, weight.tableOfColumn), scale0),
        );
        const second = table + 4 * weight.tableOfColumn;
        v128.store(
          out,
          f32x4.mul(lookUp(i32x4.extend_high_i16x8_u(codes), second, weight.tableOfColumn), scale1),
          16,
        );
      }
      continue;
    }
    const zeros = weight.zeros
      ? v128.load64_zero(weight.zeros + at)
      : i8x16.splat(<i8>((<u32>1) << (<u32>(bits - 1))));
    const zeros16 = i16x8.extend_low_i8x16_u(zeros);
    for (; out < end; out += PANEL * 4, from += bits) {
      const codes = i16x8.shr_u(i16x8.mul(i8x16.swizzle(v128.load64_zero(from), bytes), factors), down);
      const steps = i16x8.sub(codes, zeros16);
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
