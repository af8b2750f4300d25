import { madd, storeLanes } from "./simd";
import { next, thread } from "./threads";

/** Columns of a task: four vectors, a cache line of v. */
const COLUMNS: usize = 16;

/**
 * y[t, c] = Σⱼ taps[c, j] · v[t + j − (J−1)/2, c] + v[t, c] + residual[t, c], v = qkv[:, 2d…3d], zero outside the
 * clip. The last vectors of a row may read past it, and store only what is theirs.
 *
 * @param scratch 64·J bytes a thread: the taps of a task's columns, [J, COLUMNS]
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
  const columnTaps = scratch + thread * j * COLUMNS * 4;
  const blocks = (d + COLUMNS - 1) / COLUMNS;
  const stride = d * 12;
  const half = j / 2;
  for (let task: usize = next(); task < clips * blocks; task = next()) {
    const first = load<u32>(offsets + (task / blocks) * 4);
    const end = load<u32>(offsets + (task / blocks) * 4, 4);
    const column = (task % blocks) * COLUMNS;
    const count = min(COLUMNS, d - column);
    for (let c: usize = 0; c < count; c++) {
      for (let i: usize = 0; i < j; i++) {
        f32.store(columnTaps + (i * COLUMNS + c) * 4, f32.load(taps + ((column + c) * j + i) * 4));
      }
    }
    const v: usize = qkv + (2 * d + column) * 4;
    for (let t = first; t < end; t++) {
      const own = v + t * stride;
      let sum0 = v128.load(own);
      let sum1 = v128.load(own, 16);
      let sum2 = v128.load(own, 32);
      let sum3 = v128.load(own, 48);
      const from = max(first + half, t) - half;
      let tap = columnTaps + (from + half - t) * COLUMNS * 4;
      for (let row = v + from * stride, last = v + min(end, t + half + 1) * stride; row < last; row += stride) {
        sum0 = madd(v128.load(tap), v128.load(row), sum0);
        sum1 = madd(v128.load(tap, 16), v128.load(row, 16), sum1);
        sum2 = madd(v128.load(tap, 32), v128.load(row, 32), sum2);
        sum3 = madd(v128.load(tap, 48), v128.load(row, 48), sum3);
        tap += COLUMNS * 4;
      }
      const at: usize = (t * d + column) * 4;
      if (residual) {
        sum0 = f32x4.add(sum0, v128.load(residual + at));
        sum1 = f32x4.add(sum1, v128.load(residual + at, 16));
        sum2 = f32x4.add(sum2, v128.load(residual + at, 32));
        sum3 = f32x4.add(sum3, v128.load(residual + at, 48));
      }
      storeLanes(y + at, sum0, count);
      storeLanes(y + at + 16, sum1, <i32>count - 4);
      storeLanes(y + at + 32, sum2, <i32>count - 8);
      storeLanes(y + at + 48, sum3, <i32>count - 12);
    }
  }
}
