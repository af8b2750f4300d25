import { storeLanes } from "./simd";
import { next, thread } from "./threads";
import { PANEL, ROWS, tile } from "./tile";

/** Columns of a task: few enough for many threads, and their weights stay in a core's cache. */
const COLUMNS: usize = 32;

/** Four f16 numbers in the low halves of 32 bits, as f32: the exponent is re-biased by a product. No ∞, no NaN. */
function halvesToFloats(bits: v128): v128 {
  const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  return v128.or(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33 /* 2^112 */)), sign);
}

/**
 * The f32 panels [count, k, 8] of a packed weight from panel `first` on: those of an f32 weight where they are, others
 * unpacked into `scratch`.
 */
export function panels(
  weight: usize,
  half: bool,
  first: usize,
  count: usize,
  k: usize,
  scratch: usize,
): usize {
  const numbers: usize = k * PANEL;
  if (!half) return weight + first * numbers * 4;
  const source = weight + first * numbers * 2;
  for (let i: usize = 0; i < count * numbers; i += 8) {
    const bits = v128.load(source + i * 2);
    v128.store(scratch + i * 4, halvesToFloats(i32x4.extend_low_i16x8_u(bits)));
    v128.store(scratch + i * 4, halvesToFloats(i32x4.extend_high_i16x8_u(bits)), 16);
  }
  return scratch;
}

/** One row of y: relu?(sums + bias) + residual. bias and residual may be 0, which is none. */
function finishRow(sums: usize, bias: usize, relu: bool, residual: usize, y: usize, count: usize): void {
  for (let c: usize = 0; c < count; c += 4) {
    const at: usize = c * 4;
    let value = v128.load(sums + at);
    if (bias) value = f32x4.add(value, v128.load(bias + at));
    if (relu) value = f32x4.max(value, f32x4.splat(0));
    if (residual) value = f32x4.add(value, v128.load(residual + at));
    storeLanes(y + at, value, count - c);
  }
}

/**
 * y = relu?(x · wᵀ + bias) + residual: x packed by packRows, w by packWeight, y [rows, n].
 *
 * @param scratch `scratchBytes` a thread: the sums of a tile [ROWS, 32], then unpacked weights [4, k, 8]
 */
export function linear(
  x: usize,
  weight: usize,
  half: bool,
  bias: usize,
  relu: bool,
  residual: usize,
  y: usize,
  rows: usize,
  n: usize,
  k: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const sums = scratch + thread * scratchBytes;
  const unpacked = sums + ROWS * COLUMNS * 4;
  for (let task: usize = next(); task * COLUMNS < n; task = next()) {
    const column = task * COLUMNS;
    const columns = min(COLUMNS, n - column);
    const panelCount = (columns + PANEL - 1) / PANEL;
    const w = panels(weight, half, column / PANEL, panelCount, k, unpacked);
    for (let row: usize = 0; row < rows; row += ROWS) {
      const a: usize = x + row * k * 4;
      for (let p: usize = 0; p < panelCount; p++) {
        tile(a, w + p * k * PANEL * 4, k, sums + p * PANEL * 4, COLUMNS * 4, false);
      }
      for (let r: usize = 0; r < min(ROWS, rows - row); r++) {
        const at: usize = ((row + r) * n + column) * 4;
        finishRow(
          sums + r * COLUMNS * 4,
          bias ? bias + column * 4 : 0,
          relu,
          residual ? residual + at : 0,
          y + at,
          columns,
        );
      }
    }
  }
}
