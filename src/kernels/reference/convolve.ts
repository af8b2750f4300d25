import type { Convolution, Grid } from "../../tensor/backend.ts";

/**
 * The patches that a convolution multiplies: for each place (i, j) of `out` the channels of
 * x[s·i + d·(a − ⌊h/2⌋), s·j + d·(b − ⌊w/2⌋)] for a < h for b < w, zeros outside the clip and behind, up to k.
 */
export function unfold(
  x: Float32Array,
  { channels, kernel, stride, dilation }: Convolution,
  { height, width }: Grid,
  out: Grid,
  k: number,
): Float32Array {
  const patches = new Float32Array(out.clips * out.height * out.width * k);
  for (let row = 0; row < patches.length / k; row++) {
    const j = row % out.width;
    const i = Math.floor(row / out.width) % out.height;
    const clip = Math.floor(row / (out.width * out.height));
    for (let a = 0; a < kernel[0]; a++) {
      for (let b = 0; b < kernel[1]; b++) {
        const y = stride[0] * i + dilation * (a - (kernel[0] - 1) / 2);
        const x0 = stride[1] * j + dilation * (b - (kernel[1] - 1) / 2);
        if (y < 0 || y >= height || x0 < 0 || x0 >= width) continue;
        const from = ((clip * height + y) * width + x0) * channels;
        patches.set(x.subarray(from, from + channels), row * k + (a * kernel[1] + b) * channels);
      }
    }
  }
  return patches;
}
