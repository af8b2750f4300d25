import { storeLanes } from "./simd";

/** A row of zeros, for what is not there: longer than the vectors of a panel. */
const ZEROS: usize = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0], 16);

/**
 * What becomes of the sums of a tile: out[r, c] = max(sum + bias[c] + residual[r, c], floor). The rows of `out` are
 * `stride` bytes apart. Never null: where there is no bias or residual, rows of zeros take its place.
 */
@unmanaged
export class Finish {
  out: usize;
  stride: usize;
  bias: usize;
  floor: f32;
  residual: usize;
  residualStride: usize;
}
export const FINISH_BYTES: usize = 64;

/** Fills in a Finish: bias and residual may be 0, which is none. */
export function finishTo(finish: Finish, out: usize, stride: usize, bias: usize, relu: bool, residual: usize): void {
  finish.out = out;
  finish.stride = stride;
  finish.bias = bias ? bias : ZEROS;
  finish.floor = relu ? 0 : -Infinity;
  finish.residual = residual ? residual : ZEROS;
  finish.residualStride = residual ? stride : 0;
}

/** Finishes and stores the sums y0 and y1 of a row. */
export function storeRow(out: usize, y0: v128, y1: v128, finish: Finish, residual: usize): void {
  const floor = f32x4.splat(finish.floor);
  const z0 = f32x4.add(f32x4.add(y0, v128.load(finish.bias)), v128.load(residual));
  const z1 = f32x4.add(f32x4.add(y1, v128.load(finish.bias, 16)), v128.load(residual, 16));
  v128.store(out, f32x4.pmax(z0, floor));
  v128.store(out, f32x4.pmax(z1, floor), 16);
}

/** Finishes a tile of sums [rows, 8]. */
export function finishTile(sums: usize, rows: usize, finish: Finish): void {
  let out = finish.out;
  let residual = finish.residual;
  for (const end = sums + rows * 32; sums < end; sums += 32) {
    storeRow(out, v128.load(sums), v128.load(sums, 16), finish, residual);
    out += finish.stride;
    residual += finish.residualStride;
  }
}

/**
 * Rows of a tile that are not whole vectors of y, or not all there: `count` numbers of each, what is added to them, and
 * ReLU. The tile was finished without these.
 */
export function copyRows(
  from: usize,
  rows: usize,
  residual: usize,
  relu: bool,
  y: usize,
  stride: usize,
  count: usize,
): void {
  const floor = f32x4.splat(relu ? 0 : -Infinity);
  for (; rows > 0; rows--) {
    for (let c: usize = 0; c < count; c += 4) {
      let value = v128.load(from + c * 4);
      if (residual) value = f32x4.add(value, v128.load(residual + c * 4));
      storeLanes(y + c * 4, f32x4.pmax(value, floor), count - c);
    }
    from += 32;
    y += stride;
    if (residual) residual += stride;
  }
}
