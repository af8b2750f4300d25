import { madd, maxLanes, storeLanes } from "./simd";
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

/** One row; returns the largest number of its whole vectors. */
export function rectify(x: usize, gamma: usize, beta: usize, y: usize, d: usize): f32 {
  const zero = f32x4.splat(0);
  const whole = (d & ~3) * 4;
  let largest = zero;
  let at: usize = 0;
  if (gamma) {
    for (; at < whole; at += 16) {
      const value = f32x4.pmax(zero, madd(v128.load(x + at), v128.load(gamma + at), v128.load(beta + at)));
      largest = f32x4.pmax(largest, value);
      v128.store(y + at, value);
    }
  } else for (; at < whole; at += 16) v128.store(y + at, f32x4.pmax(zero, v128.load(x + at)));
  if (at < d * 4) {
    let value = v128.load(x + at);
    if (gamma) value = madd(value, v128.load(gamma + at), v128.load(beta + at));
    storeLanes(y + at, f32x4.pmax(zero, value), <i32>(d & 3));
  }
  return maxLanes(largest);
}
