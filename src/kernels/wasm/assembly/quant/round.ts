import { next, thread } from "../threads";
import { PANEL, ROWS, tile } from "../tile";
import { entry } from "./gram";
import { Grid, nearest, packErrors, scaleOf, sumOf } from "./grid";

/** Tiles of a task: they share what they read of the Hessian. */
export const TILES: usize = 4;

/** Codes of the values nearest to the weights [n, k]. */
export function roundRows(grid: Grid, weight: usize): void {
  const k = grid.k;
  for (let row = next(); row < grid.n; row = next()) {
    for (let i: usize = 0; i < k; i++) {
      const x = f32.load(weight + (row * k + i) * 4) / f32.load(scaleOf(grid, row, i));
      store<u8>(grid.codes + row * k + i, <u8>nearest(grid.levels, grid.count, x));
    }
  }
}

/**
 * GPTQ's codes of the weights [n, k]. With H = L·Lᵀ the error of the output is ‖e·L‖², e = w − ŵ, whose column j has
 * e's entries from j on. So from the last to the first wⱼ is rounded to the value nearest to wⱼ + Σ_{i>j} eᵢ·Lᵢⱼ / Lⱼⱼ,
 * which makes that column least (Babai's nearest plane; Chen et al. 2025, "The Geometry of LLM Quantization", show that
 * GPTQ is the same).
 *
 * @param lower L [size, size] in panels, of the columns in the order `order` u32 [size]; those past the k-th come last
 *   of it and are no columns
 * @param scratch `scratchBytes` a thread: errors [TILES, size, ROWS], sums [ROWS, 8]
 */
export function gptqRows(
  grid: Grid,
  weight: usize,
  lower: usize,
  order: usize,
  size: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const errors = scratch + thread * scratchBytes;
  const sums = errors + TILES * size * ROWS * 4;
  for (let task = next(); task * TILES * ROWS < grid.n; task = next()) {
    for (let start = size - PANEL; <isize>start >= 0; start -= PANEL) {
      for (let t: usize = 0; t < TILES; t++) {
        const row = (task * TILES + t) * ROWS;
        if (row >= grid.n) break;
        const own = errors + t * size * ROWS * 4;
        const end = start + PANEL;
        tile(own + end * ROWS * 4, entry(lower, size, end, start), size - end, sums, PANEL * 4, false);
        for (let r: usize = 0; r < ROWS; r++) {
          roundPanel(
            grid,
            weight,
            min(row + r, grid.n - 1),
            lower,
            order,
            size,
            start,
            sums + r * PANEL * 4,
            own + r * 4,
          );
        }
      }
    }
  }
}

/** Rounds eight weights of a row, given what the errors of those behind them add to their columns. */
function roundPanel(
  grid: Grid,
  weight: usize,
  row: usize,
  lower: usize,
  order: usize,
  size: usize,
  start: usize,
  sums: usize,
  errors: usize,
): void {
  for (let c = PANEL - 1; <isize>c >= 0; c--) {
    const i = start + c;
    const column: usize = load<u32>(order + i * 4);
    let error: f32 = 0;
    if (column < grid.k) {
      const factors = entry(lower, size, i, start);
      const w = f32.load(weight + (row * grid.k + column) * 4);
      const scale = f32.load(scaleOf(grid, row, column));
      const wanted = w + f32.load(sums + c * 4) / f32.load(factors + c * 4);
      const code = nearest(grid.levels, grid.count, wanted / scale);
      store<u8>(grid.codes + row * grid.k + column, <u8>code);
      error = w - f32.load(grid.levels + code * 4) * scale;
      for (let j: usize = 0; j < c; j++) {
        f32.store(sums + j * 4, f32.load(sums + j * 4) + error * f32.load(factors + j * 4));
      }
    }
    f32.store(errors + i * ROWS * 4, error);
  }
}

/**
 * out[row] = e·H·eᵀ, f32 [n], for the errors e = w − ŵ of each row.
 *
 * @param scratch `scratchBytes` a thread: errors [TILES, size, ROWS], sums [ROWS, 8], f64 [TILES, ROWS]
 */
export function outputErrors(
  grid: Grid,
  weight: usize,
  hessian: usize,
  size: usize,
  out: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const errors = scratch + thread * scratchBytes;
  const sums = errors + TILES * size * ROWS * 4;
  const totals = sums + ROWS * PANEL * 4;
  for (let task = next(); task * TILES * ROWS < grid.n; task = next()) {
    const first = task * TILES * ROWS;
    const tiles = min(TILES, (grid.n - first + ROWS - 1) / ROWS);
    memory.fill(totals, 0, TILES * ROWS * 8);
    for (let t: usize = 0; t < tiles; t++)
      packErrors(grid, weight, first + t * ROWS, size, errors + t * size * ROWS * 4);
    for (let start: usize = 0; start < size; start += PANEL) {
      for (let t: usize = 0; t < tiles; t++) {
        const own = errors + t * size * ROWS * 4;
        tile(own, entry(hessian, size, 0, start), size, sums, PANEL * 4, false);
        for (let r: usize = 0; r < ROWS; r++) {
          const total = totals + (t * ROWS + r) * 8;
          let sum = f64.load(total);
          for (let c: usize = 0; c < PANEL; c++) {
            sum += <f64>f32.load(sumOf(sums, r, c)) * <f64>f32.load(own + ((start + c) * ROWS + r) * 4);
          }
          f64.store(total, sum);
        }
      }
    }
    for (let r: usize = 0; r < min(tiles * ROWS, grid.n - first); r++) {
      f32.store(out + (first + r) * 4, <f32>f64.load(totals + r * 8));
    }
  }
}
