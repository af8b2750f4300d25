import { ROWS } from "./tile";
import { I16, QUADS, Weight } from "./weight";

/** Floats at the head of a tile of x: the scales of its rows. */
export const SCALES: usize = 16;

/**
 * Rows of a tile: with two vectors of 8 columns, as many sums as registers hold beside the operands (tile.ts). Products
 * that take several instructions need registers too.
 */
export function int8Rows(products: u32): usize {
  return products === QUADS ? ROWS : 4;
}

/** Rows for which a tile is computed where `rest` are left: the last tile is a smaller one if that does. */
export function rowsFor(rest: usize, most: usize): usize {
  const fewer: usize = most > 6 ? 6 : 4;
  return rest > fewer ? most : rest > 2 ? fewer : 2;
}

/**
 * A tile of x: the scales of its rows, f32 [SCALES], and int16 [k/2, rows, 2], two neighbours along k together; for
 * relaxed products int8 [k/4, rows, 4] instead, with an offset added.
 */
function tileBytes(weight: Weight): usize {
  return SCALES * 4 + int8Rows(weight.products) * weight.k * (weight.products === I16 ? 2 : 1);
}

/** Where the tile that begins with `row` lies in x. */
export function int8Tile(weight: Weight, x: usize, row: usize): usize {
  return x + (row / int8Rows(weight.products)) * tileBytes(weight);
}
