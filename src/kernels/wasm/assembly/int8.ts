import { normalise } from "./layerNorm";
import { maxLanes } from "./simd";
import { next, thread } from "./threads";
import { PANEL } from "./tile";
// biome-ignore lint/style/useImportType: AssemblyScript knows no type imports
import { codePanelBytes, Weight } from "./weight";

/** Rows of a tile: a product of int16 pairs needs a register besides the sums, so four, whatever the build. */
export const INT8_ROWS: usize = 4;

/** A tile of x: the scales of its rows, f32 [INT8_ROWS], and int16 [k/2, INT8_ROWS, 2], two neighbours along k together. */
export function int8TileBytes(k: usize): usize {
  return INT8_ROWS * (4 + 2 * k);
}

/**
 * Rows firstRow … firstRow + rows − 1 of x [R, k] → tiles of whole numbers from −127 to 127, as `tileInt8` reads them;
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
      quantizeRow(row, weight.activation, k, tile + r * 4);
    }
  }
}

/** One row of a tile, its scale at `out`. */
function quantizeRow(x: usize, scale: f32, k: usize, out: usize): void {
  let factor: f32 = <f32>1 / scale;
  if (scale === 0) {
    let size = f32x4.splat(0);
    for (let at: usize = 0; at < k * 4; at += 16) size = f32x4.max(size, f32x4.abs(v128.load(x + at)));
    const largest = maxLanes(size);
    scale = largest * <f32>(1.0 / 127.0);
    factor = largest < <f32>1e-30 ? 0 : <f32>127 / largest;
  }
  f32.store(out, scale);
  out += INT8_ROWS * 4;
  for (const end = x + k * 4; x < end; x += 16) {
    let value = f32x4.mul(v128.load(x), f32x4.splat(factor));
    value = f32x4.max(f32x4.min(value, f32x4.splat(127)), f32x4.splat(-127));
    const whole = i32x4.trunc_sat_f32x4_s(f32x4.nearest(value));
    const pairs = i16x8.narrow_i32x4_s(whole, whole);
    v128.store32_lane(out, pairs, 0);
    v128.store32_lane(out, pairs, 1, INT8_ROWS * 4);
    out += INT8_ROWS * 8;
  }
}

/**
 * Codes of 8 bits in rows of whole blocks → int8 panels [⌈n/8⌉, k/2, 8, 2] in the same place, by way of `scratch` (a
 * panel for each thread).
 */
export function packInt8(codes: usize, n: usize, k: usize, scratch: usize): void {
  const bytes = codePanelBytes(k, 8);
  const rows = scratch + thread * bytes;
  for (let task: usize = next(); task * PANEL < n; task = next()) {
    let out = codes + task * bytes;
    memory.copy(rows, out, bytes);
    for (let i: usize = 0; i < k; i += 2) {
      for (let c: usize = 0; c < PANEL; c++, out += 2) {
        store<u16>(out, load<u16>(rows + c * (bytes / PANEL) + i) ^ 0x8080); // code c stands for c − 128
      }
    }
  }
}

/** Eight products of int16, summed in pairs, on top of four sums. */
function dot(a: v128, b: v128, sum: v128): v128 {
  return i32x4.add(i32x4.dot_i16x8_s(a, b), sum);
}

/** f32(sum) · (s · scale), each step rounded to f32. */
function scaled(sum: v128, rowScale: v128, scales: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.mul(rowScale, scales));
}

/**
 * out[r, c] = f32(Σᵢ q[i, r] · w[i, c]) · (s[r] · scales[c]) for the rows of a tile and 8 columns, summed in i32. The
 * weights become int16 in registers, two neighbours along k beside one another, so that one instruction multiplies
 * and adds both.
 */
export function tileInt8(a: usize, b: usize, k: usize, scales: usize, out: usize, stride: usize): void {
  let c00 = i32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const rowScales = a;
  a += INT8_ROWS * 4;
  for (const end = b + k * PANEL; b < end; b += 2 * PANEL) {
    const b0 = v128.load8x8_s(b);
    const b1 = v128.load8x8_s(b, 8);
    let x = v128.load32_splat(a);
    c00 = dot(x, b0, c00);
    c01 = dot(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = dot(x, b0, c10);
    c11 = dot(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = dot(x, b0, c20);
    c21 = dot(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = dot(x, b0, c30);
    c31 = dot(x, b1, c31);
    a += INT8_ROWS * 4;
  }
  const s0 = v128.load(scales);
  const s1 = v128.load(scales, 16);
  let s = v128.load32_splat(rowScales);
  v128.store(out, scaled(c00, s, s0));
  v128.store(out, scaled(c01, s, s1), 16);
  out += stride;
  s = v128.load32_splat(rowScales, 4);
  v128.store(out, scaled(c10, s, s0));
  v128.store(out, scaled(c11, s, s1), 16);
  out += stride;
  s = v128.load32_splat(rowScales, 8);
  v128.store(out, scaled(c20, s, s0));
  v128.store(out, scaled(c21, s, s1), 16);
  out += stride;
  s = v128.load32_splat(rowScales, 12);
  v128.store(out, scaled(c30, s, s0));
  v128.store(out, scaled(c31, s, s1), 16);
}
