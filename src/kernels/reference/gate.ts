import type { SegmentSizes } from "../checks.ts";

/** x [rows, d] → [rows, width], zeros behind. */
export function widen(x: Float32Array, rows: number, d: number, width: number): Float32Array {
  const wide = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) wide.set(x.subarray(r * d, (r + 1) * d), r * width);
  return wide;
}

/** wide[r, column + c] = y[r, c] · sigmoid(gates[segment of r, c]). */
export function gate(
  wide: Float32Array,
  width: number,
  column: number,
  y: Float32Array,
  gates: Float32Array,
  clips: number,
  segment: number,
  { d, length, segments }: SegmentSizes,
): void {
  for (let r = 0; r < clips * length; r++) {
    const s = Math.floor(r / length) * segments + Math.floor((r % length) / segment);
    for (let c = 0; c < d; c++) wide[r * width + column + c] = y[r * d + c] / (1 + Math.exp(-gates[s * d + c]));
  }
}
