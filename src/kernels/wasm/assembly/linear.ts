import { storeLanes } from "./simd";
import { next, thread } from "./threads";
import { PANEL, ROWS } from "./tile";
// biome-ignore lint/style/useImportType: AssemblyScript knows no type imports
import { multiply, panels, tileRows, Weight } from "./weight";

/** Columns of a task: few enough for many threads, and their weights stay in a core's cache. */
const COLUMNS: usize = 32;

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
 * y = relu?(x · wᵀ + bias) + residual: x packed by packRows (by quantizeRows for an int8 weight), y [rows, n].
 *
 * @param scratch `scratchBytes` a thread: the sums of a tile [ROWS, 32], then unpacked weights [4, k, 8]
 */
export function linear(
  x: usize,
  weight: Weight,
  bias: usize,
  relu: bool,
  residual: usize,
  y: usize,
  rows: usize,
  n: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const sums = scratch + thread * scratchBytes;
  const unpacked = sums + ROWS * COLUMNS * 4;
  const step = tileRows(weight);
  for (let task: usize = next(); task * COLUMNS < n; task = next()) {
    const column = task * COLUMNS;
    const columns = min(COLUMNS, n - column);
    const panelCount = (columns + PANEL - 1) / PANEL;
    const w = panels(weight, column / PANEL, panelCount, unpacked);
    for (let row: usize = 0; row < rows; row += step) {
      multiply(weight, x, row, w, column / PANEL, panelCount, sums, COLUMNS * 4);
      for (let r: usize = 0; r < min(step, rows - row); r++) {
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
