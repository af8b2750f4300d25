import { PANEL, ROWS } from "../tile";

/**
 * What the weights [n, k] of a layer can be: level · scale, as the host describes it (quantKernels.ts has the same
 * fields in the same order). The scale of a weight is scales[row, i / groupSize].
 */
@unmanaged
export class Grid {
  n: usize;
  k: usize;
  /** u8 [n, k]. */
  codes: usize;
  /** f32 [n, groups]. */
  scales: usize;
  groups: usize;
  groupSize: usize;
  /** f32 [2, count]: the levels, rising; then the middles between neighbours, the last one of no meaning. */
  levels: usize;
  /** A power of two. */
  count: usize;
}

/** Index of the level nearest to x, the upper one of two equally near. */
export function nearest(levels: usize, count: usize, x: f32): usize {
  const middles = levels + count * 4;
  let code: usize = 0;
  for (let half = count >> 1; half > 0; half >>= 1) {
    code += x >= f32.load(middles + (code + half - 1) * 4) ? half : 0;
  }
  return code;
}

/** Address of the scale of weight i of a row. */
export function scaleOf(grid: Grid, row: usize, i: usize): usize {
  return grid.scales + (row * grid.groups + <usize>(<u32>i / <u32>grid.groupSize)) * 4;
}

/** What weight i of a row is. */
export function weightOf(grid: Grid, row: usize, i: usize): f32 {
  const code: usize = load<u8>(grid.codes + row * grid.k + i);
  return f32.load(grid.levels + code * 4) * f32.load(scaleOf(grid, row, i));
}

/**
 * The errors w − ŵ of a tile of rows from `row` on, as `tile` reads them: out [size, ROWS], 0 past the k-th column. Rows
 * past the last repeat it.
 */
export function packErrors(grid: Grid, weight: usize, row: usize, size: usize, out: usize): void {
  const k = grid.k;
  for (let r: usize = 0; r < ROWS; r++) {
    const own = min(row + r, grid.n - 1);
    for (let i: usize = 0; i < k; i++) {
      f32.store(out + (i * ROWS + r) * 4, f32.load(weight + (own * k + i) * 4) - weightOf(grid, own, i));
    }
    for (let i = k; i < size; i++) f32.store(out + (i * ROWS + r) * 4, 0);
  }
}

/** Address of sum c of row r of a tile's [ROWS, 8]. */
export function sumOf(sums: usize, r: usize, c: usize): usize {
  return sums + (r * PANEL + c) * 4;
}
