import type { Convolution, ConvolveOptions, Grid } from "../../tensor/backend.ts";
import { checkConvolve } from "../checks.ts";
import { flatGroups, flatMain, vectorOf } from "./flat.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { AS_IT_IS, linearDispatch } from "./linear/dispatch.ts";
import { type GpuWeight, kernelFor } from "./linear/kernel.ts";
import { linear } from "./linear/linear.ts";
import { memo } from "./memo.ts";
import type { Kernel } from "./pipelines.ts";
import { largestOfClips, quantizeRowsDispatch } from "./quantizeRows.ts";

/** A lane makes one number of a patch, or four of neighbouring channels. Sizes of the kernel are constants: no division. */
const unfoldKernel = memo(
  (
    channels: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    dilation: number,
    k: number,
  ): Kernel => {
    const { width, type } = vectorOf(channels);
    const [across, patch, row] = [channels / width, (kernelHeight * kernelWidth * channels) / width, k / width];
    return {
      ...{ name: "unfold", reads: 1, writes: 1 },
      wgsl: /* wgsl */ `
struct Params { count: u32, height: i32, width: i32, outHeight: u32, outWidth: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${type}>;
@group(0) @binding(2) var<storage, read_write> patches: array<${type}>;
${flatMain(/* wgsl */ `
  let at = i % ${row};
  let place = i / ${row};
  let line = place / p.outWidth;
  let clip = line / p.outHeight;
  let tap = at / ${across};
  let h = i32(line % p.outHeight) * ${strideHeight} + (i32(tap / ${kernelWidth}) - ${(kernelHeight - 1) / 2}) * ${dilation};
  let w = i32(place % p.outWidth) * ${strideWidth} + (i32(tap % ${kernelWidth}) - ${(kernelWidth - 1) / 2}) * ${dilation};
  var value = ${type}();
  if (at < ${patch} && h >= 0 && h < p.height && w >= 0 && w < p.width) {
    value = x[u32((i32(clip) * p.height + h) * p.width + w) * ${across} + at % ${across}];
  }
  patches[i] = value;`)}`,
    };
  },
);

/** The patches of all places, [R, K], then `linear`; their whole numbers, where a weight wants those, by their clip's scale. */
export const convolve = (gpu: Gpu) => {
  const multiply = linear(gpu);
  return (
    x: GpuTensor,
    weight: GpuWeight,
    convolution: Convolution,
    grid: Grid,
    options: ConvolveOptions<GpuTensor> = {},
  ): GpuTensor => {
    const { rows, n, k, out } = checkConvolve(x, weight, convolution, grid, options);
    const { channels, kernel, stride, dilation } = convolution;
    return gpu.scope(() => {
      const patches = gpu.createTensor([rows, k]);
      const count = (rows * k) / vectorOf(channels).width;
      gpu.dispatch({
        kernel: unfoldKernel(channels, ...kernel, ...stride, dilation, k),
        params: [count, grid.height, grid.width, out.height, out.width],
        reads: [x],
        writes: [patches],
        workgroups: flatGroups(count),
      });
      if (weight.activation !== "dynamic") return multiply(patches, weight, options);
      const made = quantizeRowsDispatch(gpu, patches, "dynamic", undefined, largestOfClips(gpu, x, grid.clips));
      gpu.dispatch(made);
      const y = gpu.createTensor([rows, n]);
      const source = { input: AS_IT_IS, tensors: made.writes };
      gpu.dispatch(linearDispatch(kernelFor(weight, rows), source, weight, options, y, { first: 0, count: rows }));
      return y;
    });
  };
};
