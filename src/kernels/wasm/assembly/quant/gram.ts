import { barrier, next, thread } from "../threads";
import { PANEL, ROWS, tile } from "../tile";
import { panels, Weight } from "../weight";

/** Square matrices are padded to whole blocks: whole tiles and whole panels, with 4 rows to a tile and with 6. */
export const BLOCK: usize = 48;
/** Rows of x that are multiplied at a time: a tile's and a panel's part of them stay in the nearest cache. */
const CHUNK: usize = 128;

/**
 * h (+)= xᵀ·x of x [rows, k]. h is [size, size] in panels [size/8, size, 8]: panel p holds the columns 8p … 8p + 7, row
 * after row. Only blocks on and above the diagonal are computed: `mirror` fills the others. A sum over CHUNK rows is made
 * in registers, then added, so that f32 loses little over thousands of rows.
 *
 * @param packed [⌈rows/CHUNK⌉, 2, size, CHUNK]: of each chunk its columns as tiles [size/ROWS, CHUNK, ROWS], then as
 *   panels [size/8, CHUNK, 8]
 */
export function gram(x: usize, rows: usize, k: usize, size: usize, h: usize, accumulate: bool, packed: usize): void {
  const chunks = (rows + CHUNK - 1) / CHUNK;
  const half = size * CHUNK * 4;
  const blocks = size / BLOCK;
  for (let task = next(); task < chunks * blocks; task = next()) {
    const chunk = task / blocks;
    const column = (task % blocks) * BLOCK;
    const first = x + chunk * CHUNK * k * 4;
    const count = min(CHUNK, rows - chunk * CHUNK);
    const out = packed + chunk * 2 * half;
    packColumns(first, count, k, column, ROWS, out);
    packColumns(first, count, k, column, PANEL, out + half);
  }
  barrier();
  for (let block = next(); block < blocks; block = next()) {
    for (let chunk: usize = 0; chunk < chunks; chunk++) {
      const count = min(CHUNK, rows - chunk * CHUNK);
      const tiles = packed + chunk * 2 * half;
      for (let p = (block * BLOCK) / PANEL; p < size / PANEL; p++) {
        const panel = tiles + half + p * CHUNK * PANEL * 4;
        for (let row = block * BLOCK; row < (block + 1) * BLOCK; row += ROWS) {
          const out = h + (p * size + row) * PANEL * 4;
          tile(tiles + row * CHUNK * 4, panel, count, out, PANEL * 4, accumulate || chunk > 0);
        }
      }
    }
  }
}

/** The columns of a block of x → out [BLOCK/width, CHUNK, width], from `column` on; 0 past the k-th. */
function packColumns(x: usize, count: usize, k: usize, column: usize, width: usize, out: usize): void {
  out += column * CHUNK * 4;
  for (let c: usize = 0; c < BLOCK; c++) {
    let to = out + ((c / width) * CHUNK * width + (c % width)) * 4;
    let from = x + (column + c) * 4;
    const inside = column + c < k;
    for (let t: usize = 0; t < count; t++) {
      f32.store(to, inside ? f32.load(from) : 0);
      to += width * 4;
      from += k * 4;
    }
  }
}

/** Fills the blocks below the diagonal of a symmetric h. */
export function mirror(h: usize, size: usize): void {
  for (let block: usize = next(); block * BLOCK < size; block = next()) {
    for (let row = block * BLOCK; row < (block + 1) * BLOCK; row++) {
      for (let column: usize = 0; column < block * BLOCK; column++) {
        f32.store(entry(h, size, row, column), f32.load(entry(h, size, column, row)));
      }
    }
  }
}

/** Address of an entry of a matrix in panels. */
export function entry(matrix: usize, size: usize, row: usize, column: usize): usize {
  return matrix + (((column >> 3) * size + row) * PANEL + (column & 7)) * 4;
}

/** The diagonal of h: out [size]. */
export function diagonalOf(h: usize, size: usize, out: usize): void {
  for (let i = next(); i < size; i = next()) f32.store(out + i * 4, f32.load(entry(h, size, i, i)));
}

/** Every `stride`-th row of a weight [n, k] in floats → out [⌈n/stride⌉, k] in f32. `scratch` [k, 8] of each thread. */
export function unpackWeight(weight: Weight, n: usize, stride: usize, out: usize, scratch: usize): void {
  const k = weight.k;
  for (let task: usize = next(); task * PANEL < n; task = next()) {
    const panel = panels(weight, task, 1, scratch + thread * k * PANEL * 4);
    for (let r: usize = 0; r < min(PANEL, n - task * PANEL); r++) {
      if ((task * PANEL + r) % stride !== 0) continue;
      const row = out + ((task * PANEL + r) / stride) * k * 4;
      for (let i: usize = 0; i < k; i++) f32.store(row + i * 4, f32.load(panel + (i * PANEL + r) * 4));
    }
  }
}
