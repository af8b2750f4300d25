import { madd, storeLanes } from "./simd";
import { next } from "./threads";

/** Rows of a task. */
const BLOCK: usize = 8;

/** y = max(0, x · gamma + beta) of the first d columns of x [rows, width]; max(0, x) where gamma is 0, which is none. */
export function relu(x: usize, gamma: usize, beta: usize, y: usize, rows: usize, d: usize, width: usize): void {
  for (let task: usize = next(); task * BLOCK < rows; task = next()) {
    for (let row: usize = task * BLOCK; row < min(rows, (task + 1) * BLOCK); row++) {
      rectify(x + row * width * 4, gamma, beta, y + row * d * 4, d);
    }
  }
}

/** One row. */
export function rectify(x: usize, gamma: usize, beta: usize, y: usize, d: usize): void {
  const zero = f32x4.splat(0);
  for (let c: usize = 0; c < d; c += 4) {
    let value = v128.load(x + c * 4);
    if (gamma) value = madd(value, v128.load(gamma + c * 4), v128.load(beta + c * 4));
    storeLanes(y + c * 4, f32x4.pmax(zero, value), <i32>(d - c));
  }
}
