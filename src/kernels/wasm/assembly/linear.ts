import { storeLanes } from "./simd";
import { next, thread } from "./threads";
import { PANEL, ROWS } from "./tile";
import { multiply, panels, tileRows, Weight } from "./weight";

/** Columns of a task: a cache line of y, so that no two threads write to one. */
const COLUMNS: usize = 16;

/** One row of y: relu?(sums + bias) + residual. bias and residual may be 0, which is none. */
function finishRow(sums: usize, bias: usize, relu: bool, residual: usize, y: usize, count: usize): void {
  for (let c: usize = 0; c < count; c += 4) {
    const at: usize = c * 4;
    let value = v128.load(sums + at);
    if (bias) value = f32x4.add(value, v128.load(bias + at));
    if (relu) value = f32x4.pmax(value, f32x4.splat(0));
    if (residual) value = f32x4.add(value, v128.load(residual + at));
    storeLanes(y + at, value, count - c);
  }
}

/**
 * y = relu?(x · wᵀ + bias) + residual: x packed by packRows (by quantizeRows for an int8 weight), y [rows, n].
 *
 * A panel of weights stays in a core's nearest cache while all rows of x go by.
 *
 * @param scratch `scratchBytes` a thread: the sums of a tile [ROWS, 8], then an unpacked panel [k, 8]
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
  const unpacked = sums + ROWS * PANEL * 4;
  const step = tileRows(weight);
  for (let task: usize = next(); task * COLUMNS < n; task = next()) {
    for (let column = task * COLUMNS; column < min(n, (task + 1) * COLUMNS); column += PANEL) {
      const w = panels(weight, column / PANEL, 1, unpacked);
      for (let row: usize = 0; row < rows; row += step) {
        multiply(weight, x, row, w, column / PANEL, 1, sums, PANEL * 4);
        for (let r: usize = 0; r < min(step, rows - row); r++) {
          const at: usize = ((row + r) * n + column) * 4;
          finishRow(
            sums + r * PANEL * 4,
            bias ? bias + column * 4 : 0,
            relu,
            residual ? residual + at : 0,
            y + at,
            min(PANEL, n - column),
          );
        }
      }
    }
  }
}
