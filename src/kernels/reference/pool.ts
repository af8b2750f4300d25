import type { SegmentSizes } from "../checks.ts";

/** Mean of column c over rows first … end − 1 of x [R, d]. */
function meanOf(x: Float32Array, d: number, c: number, first: number, end: number): number {
  let sum = 0;
  for (let r = first; r < end; r++) sum += x[r * d + c];
  return sum / (end - first);
}

/** The mean of a clip plus that of each of its segments: [clips · segments, d]. */
export function context(
  x: Float32Array,
  clips: number,
  segment: number,
  { d, length, segments }: SegmentSizes,
): Float32Array {
  const y = new Float32Array(clips * segments * d);
  for (let clip = 0; clip < clips; clip++) {
    const end = (clip + 1) * length;
    for (let c = 0; c < d; c++) {
      const mean = meanOf(x, d, c, clip * length, end);
      for (let s = 0; s < segments; s++) {
        const first = clip * length + s * segment;
        y[(clip * segments + s) * d + c] = mean + meanOf(x, d, c, first, Math.min(end, first + segment));
      }
    }
  }
  return y;
}

/** [mean ‖ standard deviation] of each column over the rows of each clip: [clips, 2d]. */
export function statistics(
  x: Float32Array,
  clips: number,
  [length, d]: readonly [length: number, d: number],
): Float32Array {
  const y = new Float32Array(clips * 2 * d);
  for (let clip = 0; clip < clips; clip++) {
    for (let c = 0; c < d; c++) {
      const mean = meanOf(x, d, c, clip * length, (clip + 1) * length);
      let squares = 0;
      for (let r = clip * length; r < (clip + 1) * length; r++) squares += (x[r * d + c] - mean) ** 2;
      y[clip * 2 * d + c] = mean;
      y[clip * 2 * d + d + c] = Math.sqrt(squares / (length - 1));
    }
  }
  return y;
}
