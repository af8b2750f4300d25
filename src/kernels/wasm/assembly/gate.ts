import { exp, storeLanes } from "./simd";
import { next } from "./threads";

/** Rows of a task of `widen`. */
const BLOCK: usize = 8;
/** Columns of a task of `gate`. */
const COLUMNS: usize = 16;

/** x [rows, d] → the first columns of wide [rows, width]. */
export function widen(x: usize, wide: usize, rows: usize, d: usize, width: usize): void {
  for (let task: usize = next(); task * BLOCK < rows; task = next()) {
    for (let row: usize = task * BLOCK; row < min(rows, (task + 1) * BLOCK); row++) {
      memory.copy(wide + row * width * 4, x + row * d * 4, d * 4);
    }
  }
}

/**
 * wide[r, c] = y[r, c] · 1/(1 + e^−gates[s, c]), `wide` being the address of the first column: y [rows, d] of clips of
 * `length` rows, gates [clips · segments, d], s the segment of `segment` rows that r is in. A task has 16 columns of one: a
 * cache line of each row.
 */
export function gate(
  wide: usize,
  width: usize,
  y: usize,
  gates: usize,
  rows: usize,
  d: usize,
  length: usize,
  segment: usize,
  segments: usize,
): void {
  const clips = rows / length;
  const across = (d + COLUMNS - 1) / COLUMNS;
  for (let task: usize = next(); task < clips * segments * across; task = next()) {
    const part = task / across;
    const c: usize = (task % across) * COLUMNS;
    const first: usize = (part / segments) * length + (part % segments) * segment;
    const last = min(first + segment, (part / segments + 1) * length);
    const own: usize = gates + (part * d + c) * 4;
    const divisor0 = divisorOf(own);
    const divisor1 = divisorOf(own + 16);
    const divisor2 = divisorOf(own + 32);
    const divisor3 = divisorOf(own + 48);
    const count = <i32>(d - c);
    for (let row = first; row < last; row++) {
      const from: usize = y + (row * d + c) * 4;
      const to: usize = wide + (row * width + c) * 4;
      storeLanes(to, f32x4.div(v128.load(from), divisor0), count);
      storeLanes(to + 16, f32x4.div(v128.load(from, 16), divisor1), count - 4);
      storeLanes(to + 32, f32x4.div(v128.load(from, 32), divisor2), count - 8);
      storeLanes(to + 48, f32x4.div(v128.load(from, 48), divisor3), count - 12);
    }
  }
}

/** 1 + e^−x of four numbers. */
function divisorOf(x: usize): v128 {
  const largest = f32x4.splat(88); // of `exp`; the quotient is 0 then anyway
  return f32x4.add(f32x4.splat(1), exp(f32x4.pmin(largest, f32x4.neg(v128.load(x)))));
}
