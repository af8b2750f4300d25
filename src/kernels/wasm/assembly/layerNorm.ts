import { madd, sumLanes } from "./simd";
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

/** One row. Sums are of four or two vectors each, so that one addition need not wait for the one before. */
export function normalise(x: usize, gamma: usize, beta: usize, y: usize, d: usize): void {
  const end = d * 4;
  const vectorEnd = end & ~15;
  let at: usize = 0;

  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  for (; at + 64 <= end; at += 64) {
    sum0 = f32x4.add(sum0, v128.load(x + at));
    sum1 = f32x4.add(sum1, v128.load(x + at, 16));
    sum2 = f32x4.add(sum2, v128.load(x + at, 32));
    sum3 = f32x4.add(sum3, v128.load(x + at, 48));
  }
  for (; at < vectorEnd; at += 16) sum0 = f32x4.add(sum0, v128.load(x + at));
  let sum = sumLanes(f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3)));
  for (; at < end; at += 4) sum += f32.load(x + at);
  const mean = sum / <f32>d;

  let errors0 = f32x4.splat(0);
  let errors1 = errors0;
  let squares0 = errors0;
  let squares1 = errors0;
  const means = f32x4.splat(mean);
  for (at = 0; at + 32 <= end; at += 32) {
    const centred0 = f32x4.sub(v128.load(x + at), means);
    const centred1 = f32x4.sub(v128.load(x + at, 16), means);
    errors0 = f32x4.add(errors0, centred0);
    errors1 = f32x4.add(errors1, centred1);
    squares0 = madd(centred0, centred0, squares0);
    squares1 = madd(centred1, centred1, squares1);
  }
  let error = sumLanes(f32x4.add(errors0, errors1));
  let square = sumLanes(f32x4.add(squares0, squares1));
  for (; at < end; at += 4) {
    const centred = f32.load(x + at) - mean;
    error += centred;
    square += centred * centred;
  }
  error /= <f32>d;
  const scale = <f32>1 / sqrt<f32>(square / <f32>d - error * error + EPSILON);

  const scales = f32x4.splat(scale);
  const errors = f32x4.splat(error);
  for (at = 0; at < vectorEnd; at += 16) {
    const value = f32x4.sub(f32x4.sub(v128.load(x + at), means), errors);
    v128.store(y + at, madd(f32x4.mul(value, scales), v128.load(gamma + at), v128.load(beta + at)));
  }
  for (; at < end; at += 4) {
    const value = (f32.load(x + at) - mean - error) * scale;
    f32.store(y + at, value * f32.load(gamma + at) + f32.load(beta + at));
  }
}
