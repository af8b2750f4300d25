import { exp, storeLanes } from "./simd";
import { next } from "./threads";

/** Rows of a task. */
const BLOCK: usize = 8;

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
 * `length` rows, gates [clips · segments, d], s the segment of `segment` rows that r is in.
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
  const one = f32x4.splat(1);
  const largest = f32x4.splat(88); // of `exp`; the quotient is 0 then anyway
  for (let task: usize = next(); task * BLOCK < rows; task = next()) {
    for (let row: usize = task * BLOCK; row < min(rows, (task + 1) * BLOCK); row++) {
      const own: usize = gates + ((row / length) * segments + (row % length) / segment) * d * 4;
      for (let c: usize = 0; c < d; c += 4) {
        const power = exp(f32x4.pmin(largest, f32x4.neg(v128.load(own + c * 4))));
        const value = f32x4.div(v128.load(y + (row * d + c) * 4), f32x4.add(one, power));
        storeLanes(wide + (row * width + c) * 4, value, <i32>(d - c));
      }
    }
  }
}
