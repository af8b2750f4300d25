import { barrier, next, thread } from "../threads";
import { PANEL, ROWS, tile } from "../tile";
import { BLOCK, entry } from "./gram";

/** Rows of a task: whole tiles. */
const TASK: usize = 24;

/**
 * L of a = L·Lᵀ for a[i, j] = h[order[i], order[j]] + damping·(i = j): the blocked algorithm, BLOCK columns at a time,
 * each from the columns before it ("left-looking"). h and `lower` are [size, size] in panels; of `lower` the parts of
 * panels above the diagonal block stay undefined.
 *
 * @param order u32 [size]
 * @param damping the bits of an f32
 * @param tiles [size/ROWS, size, ROWS]: the rows of L as `tile` reads them
 * @param block BLOCK rows of L as panels of `tile` [BLOCK/8, size, 8]
 * @param failed f32: 1 if a is not positive definite, else 0
 */
export function cholesky(
  h: usize,
  order: usize,
  damping: u32,
  size: usize,
  lower: usize,
  tiles: usize,
  block: usize,
  failed: usize,
  scratch: usize,
): void {
  const sums = scratch + thread * BLOCK * PANEL * 4;
  if (thread === 0) f32.store(failed, 0);
  for (let start: usize = 0; start < size; start += BLOCK) {
    if (thread === 0) {
      packBlock(lower, start, size, block);
      for (let c: usize = start; c < start + BLOCK; c += PANEL) {
        const panel = block + ((c - start) / PANEL) * size * PANEL * 4;
        for (let row = c - (c % ROWS); row < start + BLOCK; row += ROWS) {
          const out = sums + (row - start) * PANEL * 4;
          tile(tiles + row * size * 4, panel, c, out, PANEL * 4, false);
          for (let r: usize = row; r < row + ROWS; r++) {
            subtractFrom(h, order, damping, size, r, c, sums + (r - start) * PANEL * 4);
          }
        }
        if (!factorPanel(sums + (c - start) * PANEL * 4, start + BLOCK - c)) f32.store(failed, 1);
        for (let row = c; row < start + BLOCK; row++) {
          storeRow(sums + (row - start) * PANEL * 4, lower, tiles, size, row, c);
          const to = block + ((row - start) / PANEL) * size * PANEL * 4;
          for (let i: usize = 0; i < PANEL; i++) {
            const value = f32.load(sums + ((row - start) * PANEL + i) * 4);
            f32.store(to + ((c + i) * PANEL + ((row - start) % PANEL)) * 4, value);
          }
        }
      }
    }
    barrier();
    const rest = start + BLOCK;
    for (let task: usize = next(); rest + task * TASK < size; task = next()) {
      for (let row = rest + task * TASK; row < rest + (task + 1) * TASK; row += ROWS) {
        for (let c: usize = start; c < start + BLOCK; c += PANEL) {
          const panel = block + ((c - start) / PANEL) * size * PANEL * 4;
          tile(tiles + row * size * 4, panel, c, sums, PANEL * 4, false);
          const diagonal = entry(lower, size, c, c);
          for (let r: usize = 0; r < ROWS; r++) {
            const own = sums + r * PANEL * 4;
            subtractFrom(h, order, damping, size, row + r, c, own);
            solveRow(own, diagonal);
            storeRow(own, lower, tiles, size, row + r, c);
          }
        }
      }
    }
    barrier();
  }
}

/** The rows of a block, as far as they are known, as panels of `tile`. */
function packBlock(lower: usize, start: usize, size: usize, block: usize): void {
  for (let row = start; row < start + BLOCK; row++) {
    const out = block + (((row - start) / PANEL) * size * PANEL + ((row - start) % PANEL)) * 4;
    for (let i: usize = 0; i < start; i++) {
      f32.store(out + i * PANEL * 4, f32.load(entry(lower, size, row, i)));
    }
  }
}

/** sums[c] = a[row, column + c] − sums[c]. */
function subtractFrom(h: usize, order: usize, damping: u32, size: usize, row: usize, column: usize, sums: usize): void {
  const first: usize = load<u32>(order + row * 4);
  for (let c: usize = 0; c < PANEL; c++) {
    const second: usize = load<u32>(order + (column + c) * 4);
    const value = f32.load(entry(h, size, first, second)) + (row === column + c ? reinterpret<f32>(damping) : 0);
    f32.store(sums + c * 4, value - f32.load(sums + c * 4));
  }
}

/** Cholesky's columns of `rows` rows of 8 sums, the first 8 of them on the diagonal. Whether all pivots were positive. */
function factorPanel(sums: usize, rows: usize): bool {
  let fine = true;
  for (let c: usize = 0; c < PANEL; c++) {
    const pivot = f32.load(sums + (c * PANEL + c) * 4);
    if (!(pivot > 0 && pivot < Infinity)) fine = false;
    const root = sqrt<f32>(pivot);
    for (let r: usize = 0; r < rows; r++) {
      const at = sums + (r * PANEL + c) * 4;
      if (r < c) f32.store(at, 0);
      else f32.store(at, r === c ? root : f32.load(at) / root);
    }
    for (let r = c + 1; r < rows; r++) {
      const factor = f32.load(sums + (r * PANEL + c) * 4);
      for (let i = c + 1; i < min(PANEL, r + 1); i++) {
        const at = sums + (r * PANEL + i) * 4;
        f32.store(at, f32.load(at) - factor * f32.load(sums + (i * PANEL + c) * 4));
      }
    }
  }
  return fine;
}

/** Solves x·Dᵀ = sums for a lower triangle D of 8 rows, in place. */
function solveRow(sums: usize, diagonal: usize): void {
  for (let c: usize = 0; c < PANEL; c++) {
    const row = diagonal + c * PANEL * 4;
    let rest = f32.load(sums + c * 4);
    for (let i: usize = 0; i < c; i++) rest -= f32.load(sums + i * 4) * f32.load(row + i * 4);
    f32.store(sums + c * 4, rest / f32.load(row + c * 4));
  }
}

/** Eight columns of a row of L, into both layouts. */
function storeRow(values: usize, lower: usize, tiles: usize, size: usize, row: usize, column: usize): void {
  memory.copy(entry(lower, size, row, column), values, PANEL * 4);
  const out = tiles + ((row / ROWS) * size * ROWS + (row % ROWS)) * 4;
  for (let c: usize = 0; c < PANEL; c++) {
    f32.store(out + (column + c) * ROWS * 4, f32.load(values + c * 4));
  }
}
