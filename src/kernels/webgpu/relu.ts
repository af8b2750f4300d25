import type { Norm } from "../../tensor/backend.ts";
import { checkRelu } from "../checks.ts";
import { flatGroups, flatMain, vectorOf } from "./flat.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { memo } from "./memo.ts";
import type { Kernel } from "./pipelines.ts";

/** `columns` and `stride` count what a lane makes: numbers, or vectors. */
const reluKernel = memo((type: string, norm: boolean): Kernel => {
  return {
    ...{ name: "relu", reads: norm ? 3 : 1, writes: 1 },
    wgsl: /* wgsl */ `
struct Params { count: u32, columns: u32, stride: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${type}>;
${norm ? `@group(0) @binding(2) var<storage, read> gamma: array<${type}>;` : ""}
${norm ? `@group(0) @binding(3) var<storage, read> beta: array<${type}>;` : ""}
@group(0) @binding(${norm ? 4 : 2}) var<storage, read_write> y: array<${type}>;
${flatMain(/* wgsl */ `
  let c = i % p.columns;
  let value = x[(i / p.columns) * p.stride + c];
  y[i] = max(${norm ? "value * gamma[c] + beta[c]" : "value"}, ${type}());`)}`,
  };
});

export const relu =
  (gpu: Gpu) =>
  (x: GpuTensor, norm?: Norm<GpuTensor>): GpuTensor => {
    const [rows, d, stride] = checkRelu(x, norm);
    const { width, type } = vectorOf(d, stride);
    const y = gpu.createTensor([rows, d]);
    const count = (rows * d) / width;
    gpu.dispatch({
      kernel: reluKernel(type, norm !== undefined),
      params: [count, d / width, stride / width],
      reads: norm ? [x, norm.gamma, norm.beta] : [x],
      writes: [y],
      workgroups: flatGroups(count),
    });
    return y;
  };
