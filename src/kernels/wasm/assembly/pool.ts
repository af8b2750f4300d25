import { storeLanes } from "./simd";
import { next } from "./threads";

/** Sum of a vector of columns over `rows` rows that are `stride` bytes apart. */
function sumOf(x: usize, rows: usize, stride: usize): v128 {
  let sum = f32x4.splat(0);
  for (const end = x + rows * stride; x < end; x += stride) sum = f32x4.add(sum, v128.load(x));
  return sum;
}

/** See Backend.context: x [clips · length, d] → y [clips · segments, d]. A task has four columns of a clip. */
export function context(
  x: usize,
  y: usize,
  clips: usize,
  d: usize,
  length: usize,
  segment: usize,
  segments: usize,
): void {
  const blocks = (d + 3) / 4;
  const stride = d * 4;
  for (let task: usize = next(); task < clips * blocks; task = next()) {
    const clip = task / blocks;
    const c: usize = (task % blocks) * 4;
    const from: usize = x + clip * length * stride + c * 4;
    const mean = f32x4.div(sumOf(from, length, stride), f32x4.splat(<f32>length));
    for (let s: usize = 0; s < segments; s++) {
      const rows = min(segment, length - s * segment);
      const own =
        segments === 1 ? mean : f32x4.div(sumOf(from + s * segment * stride, rows, stride), f32x4.splat(<f32>rows));
      storeLanes(y + ((clip * segments + s) * d + c) * 4, f32x4.add(mean, own), <i32>(d - c));
    }
  }
}

/** See Backend.statistics: x [clips · length, d] → y [clips, 2d]. A task has four columns of a clip. */
export function statistics(x: usize, y: usize, clips: usize, d: usize, length: usize): void {
  const blocks = (d + 3) / 4;
  const stride = d * 4;
  for (let task: usize = next(); task < clips * blocks; task = next()) {
    const clip = task / blocks;
    const c: usize = (task % blocks) * 4;
    const from: usize = x + clip * length * stride + c * 4;
    const mean = f32x4.div(sumOf(from, length, stride), f32x4.splat(<f32>length));
    let squares = f32x4.splat(0);
    for (let at: usize = from, end = from + length * stride; at < end; at += stride) {
      const centred = f32x4.sub(v128.load(at), mean);
      squares = f32x4.add(squares, f32x4.mul(centred, centred));
    }
    const to: usize = y + (clip * 2 * d + c) * 4;
    storeLanes(to, mean, <i32>(d - c));
    storeLanes(to + d * 4, f32x4.sqrt(f32x4.div(squares, f32x4.splat(<f32>(length - 1)))), <i32>(d - c));
  }
}
