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
    packTaps(columnTaps, taps + column * j * 4, count, j);
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
      storeColumns(y + at, sum0, sum1, sum2, sum3, count);
    }
  }
}

/**
 * y[t, c] = x[t, c] + Σⱼ taps[c, j] · x[t + j − (J−1), c], x [rows, d]; the rows before the first are `history`
 * [J−1, d], which then becomes the last J−1 rows. A task has all rows of its columns, so nobody else reads its history.
 *
 * @param scratch 64·J bytes a thread: the taps of a task's columns, [J, COLUMNS]
 */
export function causalFsmn(
  x: usize,
  taps: usize,
  history: usize,
  y: usize,
  rows: usize,
  d: usize,
  j: usize,
  scratch: usize,
): void {
  const columnTaps = scratch + thread * j * COLUMNS * 4;
  const blocks = (d + COLUMNS - 1) / COLUMNS;
  const stride = d * 4;
  const before = j - 1;
  for (let block: usize = next(); block < blocks; block = next()) {
    const column = block * COLUMNS;
    const count = min(COLUMNS, d - column);
    packTaps(columnTaps, taps + column * j * 4, count, j);
    const first = x + column * 4;
    const past = history + column * 4;
    const pastEnd = past + before * stride;
    for (let t: usize = 0; t < rows; t++) {
      const own = first + t * stride;
      let sum0 = v128.load(own);
      let sum1 = v128.load(own, 16);
      let sum2 = v128.load(own, 32);
      let sum3 = v128.load(own, 48);
      let row = t < before ? past + t * stride : own - before * stride;
      for (let tap = columnTaps, end = columnTaps + j * COLUMNS * 4; tap < end; tap += COLUMNS * 4) {
        if (row === pastEnd) row = first;
        sum0 = madd(v128.load(tap), v128.load(row), sum0);
        sum1 = madd(v128.load(tap, 16), v128.load(row, 16), sum1);
        sum2 = madd(v128.load(tap, 32), v128.load(row, 32), sum2);
        sum3 = madd(v128.load(tap, 48), v128.load(row, 48), sum3);
        row += stride;
      }
      storeColumns(y + (t * d + column) * 4, sum0, sum1, sum2, sum3, count);
    }
    for (let i: usize = 0; i < before; i++) {
      const row = rows + i < before ? past + (rows + i) * stride : first + (rows + i - before) * stride;
      const at = past + i * stride;
      storeColumns(at, v128.load(row), v128.load(row, 16), v128.load(row, 32), v128.load(row, 48), count);
    }
  }
}

/** The taps [count, J] of a task's columns as [J, COLUMNS]. */
function packTaps(columnTaps: usize, taps: usize, count: usize, j: usize): void {
  for (let c: usize = 0; c < count; c++) {
    for (let i: usize = 0; i < j; i++) {
      f32.store(columnTaps + (i * COLUMNS + c) * 4, f32.load(taps + (c * j + i) * 4));
    }
  }
}

/** Stores the first `count` of a task's columns. */
function storeColumns(at: usize, v0: v128, v1: v128, v2: v128, v3: v128, count: usize): void {
  storeLanes(at, v0, count);
  storeLanes(at + 16, v1, <i32>count - 4);
  storeLanes(at + 32, v2, <i32>count - 8);
  storeLanes(at + 48, v3, <i32>count - 12);
}
