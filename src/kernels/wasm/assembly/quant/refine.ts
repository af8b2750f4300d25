import { next, thread } from "../threads";
import { PANEL, ROWS, tile } from "../tile";
import { entry } from "./gram";
import { Grid, nearest, packErrors, scaleOf, sumOf } from "./grid";
import { TILES } from "./round";
import { toF16 } from "./scales";

/** How scales may move: not at all, or to what f32 or f16 holds. */
const STAY: u32 = 0;
const HALF: u32 = 2;

/**
 * One pass of coordinate descent on e·(H + damping·I)·eᵀ of every row, e = w − ŵ: first over its codes, then over the
 * scales of its groups. The gradient of eight columns is made, by a tile's product with H, when their turn comes; within
 * them it follows each change.
 *
 * @param damping the bits of an f32
 * @param scratch `scratchBytes` a thread: errors [TILES, size, ROWS], levels [size, ROWS], sums and effects [ROWS, 8],
 *   slopes and curvatures f64 [ROWS]
 */
export function refineRows(
  grid: Grid,
  weight: usize,
  hessian: usize,
  damping: u32,
  size: usize,
  scales: u32,
  scratch: usize,
  scratchBytes: usize,
): void {
  const lambda = reinterpret<f32>(damping);
  const errors = scratch + thread * scratchBytes;
  const values = errors + TILES * size * ROWS * 4;
  const sums = values + size * ROWS * 4;
  for (let task = next(); task * TILES * ROWS < grid.n; task = next()) {
    const first = task * TILES * ROWS;
    const tiles = min(TILES, (grid.n - first + ROWS - 1) / ROWS);
    for (let t: usize = 0; t < tiles; t++)
      packErrors(grid, weight, first + t * ROWS, size, errors + t * size * ROWS * 4);
    for (let start: usize = 0; start < grid.k; start += PANEL) {
      for (let t: usize = 0; t < tiles; t++) {
        const row = first + t * ROWS;
        const own = errors + t * size * ROWS * 4;
        tile(own, entry(hessian, size, 0, start), size, sums, PANEL * 4, false);
        for (let r: usize = 0; r < min(ROWS, grid.n - row); r++) {
          refineCodes(grid, hessian, lambda, size, row + r, start, sumOf(sums, r, 0), own + r * 4);
        }
      }
    }
    if (scales === STAY) continue;
    for (let group: usize = 0; group < grid.groups; group++) {
      for (let t: usize = 0; t < tiles; t++) {
        const own = errors + t * size * ROWS * 4;
        refineScales(grid, hessian, lambda, size, first + t * ROWS, group, scales === HALF, own, values);
      }
    }
  }
}

/** Each of eight codes of a row becomes that of the level nearest to the minimum along its weight. */
function refineCodes(
  grid: Grid,
  hessian: usize,
  lambda: f32,
  size: usize,
  row: usize,
  start: usize,
  gradients: usize,
  errors: usize,
): void {
  for (let c: usize = 0; c < min(PANEL, grid.k - start); c++) {
    const i = start + c;
    const h = entry(hessian, size, i, start);
    const scale = f32.load(scaleOf(grid, row, i));
    const at = grid.codes + row * grid.k + i;
    const before: usize = load<u8>(at);
    const now = f32.load(grid.levels + before * 4) * scale;
    const error = errors + i * ROWS * 4;
    const gradient = f32.load(gradients + c * 4) + lambda * f32.load(error);
    const code = nearest(grid.levels, grid.count, (now + gradient / (f32.load(h + c * 4) + lambda)) / scale);
    if (code === before) continue;
    store<u8>(at, <u8>code);
    const step = f32.load(grid.levels + code * 4) * scale - now;
    f32.store(error, f32.load(error) - step);
    for (let j = c + 1; j < PANEL; j++) {
      f32.store(gradients + j * 4, f32.load(gradients + j * 4) - step * f32.load(h + j * 4));
    }
  }
}

/** The scale of one group of each row of a tile moves to the minimum along it, where that is better once stored. */
function refineScales(
  grid: Grid,
  hessian: usize,
  lambda: f32,
  size: usize,
  row: usize,
  group: usize,
  half: bool,
  errors: usize,
  values: usize,
): void {
  const sums = values + size * ROWS * 4;
  const effects = sums + ROWS * PANEL * 4;
  const slopes = effects + ROWS * PANEL * 4;
  const curvatures = slopes + ROWS * 8;
  const start = group * grid.groupSize;
  const end = min(start + grid.groupSize, grid.k);
  const whole = (end + PANEL - 1) & ~(PANEL - 1);
  const rows = min(ROWS, grid.n - row);
  memory.fill(slopes, 0, 2 * ROWS * 8);
  for (let i = start; i < whole; i++) {
    for (let r: usize = 0; r < ROWS; r++) {
      const code: usize = i < end && r < rows ? load<u8>(grid.codes + (row + r) * grid.k + i) : 0;
      f32.store(values + (i * ROWS + r) * 4, i < end ? f32.load(grid.levels + code * 4) : 0);
    }
  }
  for (let c = start; c < whole; c += PANEL) {
    tile(errors, entry(hessian, size, 0, c), size, sums, PANEL * 4, false);
    tile(values + start * ROWS * 4, entry(hessian, size, start, c), whole - start, effects, PANEL * 4, false);
    for (let r: usize = 0; r < rows; r++) {
      let slope = f64.load(slopes + r * 8);
      let curvature = f64.load(curvatures + r * 8);
      for (let j: usize = 0; j < PANEL; j++) {
        const at = ((c + j) * ROWS + r) * 4;
        const value = f32.load(values + at);
        slope += <f64>value * <f64>(f32.load(sumOf(sums, r, j)) + lambda * f32.load(errors + at));
        curvature += <f64>value * <f64>(f32.load(sumOf(effects, r, j)) + lambda * value);
      }
      f64.store(slopes + r * 8, slope);
      f64.store(curvatures + r * 8, curvature);
    }
  }
  for (let r: usize = 0; r < rows; r++) {
    const slope = f64.load(slopes + r * 8);
    const curvature = f64.load(curvatures + r * 8);
    if (!(curvature > 0)) continue;
    const at = scaleOf(grid, row + r, start);
    const before = f32.load(at);
    const wanted = <f32>(<f64>before + slope / curvature);
    const scale = half ? toF16(wanted) : wanted;
    const step = scale - before;
    if (<f64>step * <f64>step * curvature >= 2 * <f64>step * slope) continue; // rounded, it is no better
    f32.store(at, scale);
    for (let i = start; i < end; i++) {
      const error = errors + (i * ROWS + r) * 4;
      f32.store(error, f32.load(error) - step * f32.load(values + (i * ROWS + r) * 4));
    }
  }
}

/** Columns of a task. */
const COLUMNS: usize = 32;

/**
 * What least squares in the levels t of all rows needs: with u_c[i] = s(i) where code(i) = c and else 0,
 * Σ_rows (u_c·H·u_c'ᵀ) t = Σ_rows u_c·H·wᵀ, H damped. Every `stride`-th row takes part.
 *
 * @param damping the bits of an f32
 * @param out f64 [⌈k/COLUMNS⌉, count² + count]: each task's part of the left and the right side
 * @param scratch `scratchBytes` a thread: u_c·H of a task's columns, f32 [count, COLUMNS]
 */
export function tableSums(
  grid: Grid,
  weight: usize,
  hessian: usize,
  damping: u32,
  size: usize,
  stride: usize,
  out: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const count = grid.count;
  const k = grid.k;
  const lambda = reinterpret<f32>(damping);
  const products = scratch + thread * scratchBytes;
  for (let task = next(); task * COLUMNS < k; task = next()) {
    const start = task * COLUMNS;
    const left = out + task * (count + 1) * count * 8;
    const right = left + count * count * 8;
    memory.fill(left, 0, (count + 1) * count * 8);
    for (let row: usize = 0; row < grid.n; row += stride) {
      const codes = grid.codes + row * k;
      memory.fill(products, 0, count * COLUMNS * 4);
      for (let i: usize = 0; i < k; i++) {
        const scale = f32x4.splat(f32.load(scaleOf(grid, row, i)));
        const own = products + <usize>load<u8>(codes + i) * COLUMNS * 4;
        let from = entry(hessian, size, i, start);
        for (let p: usize = 0; p < min(COLUMNS, size - start) * 4; p += PANEL * 4) {
          v128.store(own + p, f32x4.add(v128.load(own + p), f32x4.mul(scale, v128.load(from))));
          v128.store(own + p, f32x4.add(v128.load(own + p, 16), f32x4.mul(scale, v128.load(from, 16))), 16);
          from += size * PANEL * 4;
        }
      }
      for (let j = start; j < min(start + COLUMNS, k); j++) {
        const code: usize = load<u8>(codes + j);
        const scale = f32.load(scaleOf(grid, row, j));
        const w = f32.load(weight + (row * k + j) * 4);
        for (let c: usize = 0; c < count; c++) {
          let product: f64 = f32.load(products + (c * COLUMNS + (j - start)) * 4);
          if (c === code) product += <f64>lambda * <f64>scale;
          const l = left + (c * count + code) * 8;
          f64.store(l, f64.load(l) + product * <f64>scale);
          f64.store(right + c * 8, f64.load(right + c * 8) + product * <f64>w);
        }
      }
    }
  }
}

/** Codes become what `ranks`, u8 [count], says. */
export function renameCodes(grid: Grid, ranks: usize): void {
  for (let row = next(); row < grid.n; row = next()) {
    const codes = grid.codes + row * grid.k;
    for (let i: usize = 0; i < grid.k; i++) store<u8>(codes + i, load<u8>(ranks + load<u8>(codes + i)));
  }
}
