import { madd, storeLanes } from "./simd";
import { next, thread } from "./threads";

/** Columns of a task: four vectors, a cache line of v. */
const COLUMNS: usize = 16;
const COLUMN_BYTES: usize = COLUMNS * 4;

/**
 * y[t, c] = Σⱼ taps[c, j] · v[t + j − (J−1)/2, c] + v[t, c] + residual[t, c], v = qkv[:, 2d…3d], zero outside the
 * clip. The last vectors of a row may read past it, and store only what is theirs.
 *
 * @param scratch 64·(J + 2) bytes a thread: the taps of a task's columns between two rows of zeros, [J + 2, COLUMNS]
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
  const columnTaps = scratch + thread * (j + 2) * COLUMN_BYTES;
  memory.fill(columnTaps, 0, (j + 2) * COLUMN_BYTES);
  const blocks = (d + COLUMNS - 1) / COLUMNS;
  const stride = d * 12;
  const half = j / 2;
  for (let task: usize = next(); task < clips * blocks; task = next()) {
    const first = load<u32>(offsets + (task / blocks) * 4);
    const end = load<u32>(offsets + (task / blocks) * 4, 4);
    const column = (task % blocks) * COLUMNS;
    const count = min(COLUMNS, d - column);
    packTaps(columnTaps + COLUMN_BYTES, taps + column * j * 4, count, j);
    const v: usize = qkv + (2 * d + column) * 4;
    for (let t = first; t < end; t += 2) {
      // Rows t and t + 1 share all rows that they read but one: the tap of the second is that before the first's.
      const own = v + t * stride;
      let sum00 = v128.load(own);
      let sum01 = v128.load(own, 16);
      let sum02 = v128.load(own, 32);
      let sum03 = v128.load(own, 48);
      const below: usize = t + 1 < end ? own + stride : own;
      let sum10 = v128.load(below);
      let sum11 = v128.load(below, 16);
      let sum12 = v128.load(below, 32);
      let sum13 = v128.load(below, 48);
      const from = max(first + half, t) - half;
      let tap = columnTaps + (from + half - t) * COLUMN_BYTES;
      let before0 = v128.load(tap);
      let before1 = v128.load(tap, 16);
      let before2 = v128.load(tap, 32);
      let before3 = v128.load(tap, 48);
      tap += COLUMN_BYTES;
      for (let row = v + from * stride, last = v + min(end, t + half + 2) * stride; row < last; row += stride) {
        const tap0 = v128.load(tap);
        const x0 = v128.load(row);
        sum00 = madd(tap0, x0, sum00);
        sum10 = madd(before0, x0, sum10);
        before0 = tap0;
        const tap1 = v128.load(tap, 16);
        const x1 = v128.load(row, 16);
        sum01 = madd(tap1, x1, sum01);
        sum11 = madd(before1, x1, sum11);
        before1 = tap1;
        const tap2 = v128.load(tap, 32);
        const x2 = v128.load(row, 32);
        sum02 = madd(tap2, x2, sum02);
        sum12 = madd(before2, x2, sum12);
        before2 = tap2;
        const tap3 = v128.load(tap, 48);
        const x3 = v128.load(row, 48);
        sum03 = madd(tap3, x3, sum03);
        sum13 = madd(before3, x3, sum13);
        before3 = tap3;
        tap += COLUMN_BYTES;
      }
      const at: usize = (t * d + column) * 4;
      finishColumns(y + at, residual ? residual + at : 0, sum00, sum01, sum02, sum03, count);
      if (t + 1 === end) break;
      const second = at + d * 4;
      finishColumns(y + second, residual ? residual + second : 0, sum10, sum11, sum12, sum13, count);
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

/** Adds the residual, if there is one, and stores the first `count` of a task's columns. */
function finishColumns(at: usize, residual: usize, v0: v128, v1: v128, v2: v128, v3: v128, count: usize): void {
  if (residual) {
    v0 = f32x4.add(v0, v128.load(residual));
    v1 = f32x4.add(v1, v128.load(residual, 16));
    v2 = f32x4.add(v2, v128.load(residual, 32));
    v3 = f32x4.add(v3, v128.load(residual, 48));
  }
  storeColumns(at, v0, v1, v2, v3, count);
}

/** Stores the first `count` of a task's columns. */
function storeColumns(at: usize, v0: v128, v1: v128, v2: v128, v3: v128, count: usize): void {
  storeLanes(at, v0, count);
  storeLanes(at + 16, v1, <i32>count - 4);
  storeLanes(at + 32, v2, <i32>count - 8);
  storeLanes(at + 48, v3, <i32>count - 12);
}
