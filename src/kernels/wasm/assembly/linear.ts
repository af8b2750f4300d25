import { copyRows, FINISH_BYTES, Finish, finishTo } from "./finish";
import { next, thread } from "./threads";
import { PANEL, ROWS } from "./tile";
import { INT8, multiply, panelBytes, panels, tileRows, Weight } from "./weight";

/** Columns of a task: a cache line of y, so that no two threads write to one. */
const COLUMNS: usize = 16;

/**
 * y = relu?(x · wᵀ + bias + residual): x packed by packRows (by quantizeRows for an int8 weight), y [rows, n].
 *
 * Panels of weights stay in a core's nearest cache while all rows of x go by: two of INT8, one of floats.
 *
 * @param scratch `scratchBytes` a thread: a Finish, two tiles [ROWS, 8], then unpacked panels
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
  const own = scratch + thread * scratchBytes;
  const finish = changetype<Finish>(own);
  const partial = own + FINISH_BYTES;
  const edge = partial + ROWS * PANEL * 4;
  const unpacked = edge + ROWS * PANEL * 4;
  const together: usize = weight.format === INT8 ? COLUMNS : PANEL;
  const stride = n * 4;
  for (let task: usize = next(); task * COLUMNS < n; task = next()) {
    for (let column = task * COLUMNS; column < min(n, (task + 1) * COLUMNS); column += together) {
      const end = min(n, column + together);
      const first = column / PANEL;
      const w = panels(weight, first, (end - column + PANEL - 1) / PANEL, unpacked);
      for (let row: usize = 0; row < rows; ) {
        const count = tileRows(weight, rows - row);
        let panel = w;
        for (let c = column; c < end; c += PANEL) {
          const at: usize = row * stride + c * 4;
          const added: usize = residual ? residual + at : 0;
          const whole = row + count <= rows && c + PANEL <= n;
          if (whole) finishTo(finish, y + at, stride, bias ? bias + c * 4 : 0, relu, added);
          else finishTo(finish, edge, PANEL * 4, bias ? bias + c * 4 : 0, false, 0);
          multiply(weight, x, row, count, panel, c / PANEL, partial, finish);
          if (!whole) copyRows(edge, min(count, rows - row), added, relu, y + at, stride, min(PANEL, n - c));
          panel += panelBytes(weight);
        }
        row += count;
      }
    }
  }
}
