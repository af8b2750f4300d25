import { sumLanes } from "./simd";
import { next } from "./threads";

/** Rows of a task. */
const BLOCK: usize = 8;
const EPSILON: f32 = 1e-5;

/**
 * y = (x − mean) / √(var + 1e-5) · gamma + beta over each row of x [rows, d].
 *
 * Two passes, the second of which also corrects the first one's mean (Chan, Golub and LeVeque 1983, "Algorithms for
 * computing the sample variance"): the residual stream reaches tens of thousands, where a sum in f32 is coarse.
 */
export function layerNorm(x: usize, gamma: usize, beta: usize, y: usize, rows: usize, d: usize): void {
  for (let task: usize = next(); task * BLOCK < rows; task = next()) {
    for (let row: usize = task * BLOCK; row < min(rows, (task + 1) * BLOCK); row++) {
      normalise(x + row * d * 4, gamma, beta, y + row * d * 4, d);
    }
  }
}

/** One row. */
export function normalise(x: usize, gamma: usize, beta: usize, y: usize, d: usize): void {
  const end = d * 4;
  const vectorEnd = end & ~15;
  let at: usize = 0;

  let sums = f32x4.splat(0);
  for (; at < vectorEnd; at += 16) sums = f32x4.add(sums, v128.load(x + at));
  let sum = sumLanes(sums);
  for (; at < end; at += 4) sum += f32.load(x + at);
  const mean = sum / <f32>d;

  let errors = f32x4.splat(0);
  let squares = f32x4.splat(0);
  for (at = 0; at < vectorEnd; at += 16) {
    const centred = f32x4.sub(v128.load(x + at), f32x4.splat(mean));
    errors = f32x4.add(errors, centred);
    squares = f32x4.add(squares, f32x4.mul(centred, centred));
  }
  let error = sumLanes(errors);
  let square = sumLanes(squares);
  for (; at < end; at += 4) {
    const centred = f32.load(x + at) - mean;
    error += centred;
    square += centred * centred;
  }
  error /= <f32>d;
  const scale = <f32>1 / sqrt<f32>(square / <f32>d - error * error + EPSILON);

  for (at = 0; at < vectorEnd; at += 16) {
    let value = f32x4.sub(f32x4.sub(v128.load(x + at), f32x4.splat(mean)), f32x4.splat(error));
    value = f32x4.mul(f32x4.mul(value, f32x4.splat(scale)), v128.load(gamma + at));
    v128.store(y + at, f32x4.add(value, v128.load(beta + at)));
  }
  for (; at < end; at += 4) {
    const value = (f32.load(x + at) - mean - error) * scale;
    f32.store(y + at, value * f32.load(gamma + at) + f32.load(beta + at));
  }
}
