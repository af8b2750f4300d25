import { storeLanes } from "./simd";

/** A row of zeros, for what is not there: longer than the vectors of a panel. */
const ZEROS: usize = memory.data<f32>([0, 0, 0, 0, 0, 0, 0, 0], 16);

/**
 * What becomes of the sums of a tile: out[r, c] = max(sum + bias[c], floor) + residual[r, c]. The rows of `out` are
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
  const z0 = f32x4.pmax(f32x4.add(y0, v128.load(finish.bias)), floor);
  const z1 = f32x4.pmax(f32x4.add(y1, v128.load(finish.bias, 16)), floor);
  const r0 = f32x4.add(z0, v128.load(residual));
  const r1 = f32x4.add(z1, v128.load(residual, 16));
  v128.store(out, r0);
  v128.store(out, r1, 16);
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

/** Rows of a finished tile that are not whole vectors of y: `count` numbers of each, and what is added to them. */
export function copyRows(from: usize, rows: usize, residual: usize, y: usize, stride: usize, count: usize): void {
  for (; rows > 0; rows--) {
    for (let c: usize = 0; c < count; c += 4) {
      let value = v128.load(from + c * 4);
      if (residual) value = f32x4.add(value, v128.load(residual + c * 4));
      storeLanes(y + c * 4, value, count - c);
    }
    from += 32;
    y += stride;
    if (residual) residual += stride;
  }
}
