import { madd, storeLanes } from "./simd";
import { next, thread } from "./threads";

/** Columns of a task. */
const COLUMNS: usize = 32;

/**
 * y[t, c] = Σⱼ taps[c, j] · v[t + j − (J−1)/2, c] + v[t, c] + residual[t, c], v = qkv[:, 2d…3d], zero outside the
 * clip. Four columns at a time; the last four of a row may read past it, and store only what is theirs.
 *
 * @param scratch 16·J bytes a thread: the taps of four columns, [J, 4]
 */
export function fsmn(
  qkv: usize,
  taps: usize,
  offsets: usize,
  residual: usize,
  y: usize,
  clips: usize,
  d: usize,
  j: usize,
  scratch: usize,
): void {
  const columnTap = scratch + thread * j * 16;
  const blocks = (d + COLUMNS - 1) / COLUMNS;
  for (let task: usize = next(); task < clips * blocks; task = next()) {
    const first = load<u32>(offsets + (task / blocks) * 4);
    const end = load<u32>(offsets + (task / blocks) * 4, 4);
    const column = (task % blocks) * COLUMNS;
    for (let c = column; c < min(d, column + COLUMNS); c += 4) {
      const count = min(4, d - c);
      for (let i: usize = 0; i < j; i++) {
        for (let lane: usize = 0; lane < count; lane++) {
          f32.store(columnTap + i * 16 + lane * 4, f32.load(taps + ((c + lane) * j + i) * 4));
        }
      }
      for (let t = first; t < end; t++) {
        const memory = remember(qkv + (2 * d + c) * 4, d * 12, columnTap, j, t, first, end);
        const at: usize = (t * d + c) * 4;
        const value = residual ? f32x4.add(memory, v128.load(residual + at)) : memory;
        storeLanes(y + at, value, count);
      }
    }
  }
}

/** Σⱼ taps[j] · v[t + j − half] + v[t] of four columns. */
function remember(v: usize, stride: usize, taps: usize, j: usize, t: usize, first: usize, end: usize): v128 {
  const half = j / 2;
  let sum = v128.load(v + t * stride);
  for (let row = max(first + half, t) - half; row < min(end, t + half + 1); row++) {
    sum = madd(v128.load(taps + (row - t + half) * 16), v128.load(v + row * stride), sum);
  }
  return sum;
}
