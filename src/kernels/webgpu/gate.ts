import { checkGate, checkWiden } from "../checks.ts";
import { flatGroups, flatMain, vectorOf } from "./flat.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { memo } from "./memo.ts";
import type { Kernel } from "./pipelines.ts";

/** `columns`, `stride` and `column` count what a lane makes: numbers, or vectors. */
const widenKernel = memo((type: string): Kernel => {
  return {
    ...{ name: "widen", reads: 1, writes: 1 },
    wgsl: /* wgsl */ `
struct Params { count: u32, columns: u32, stride: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${type}>;
@group(0) @binding(2) var<storage, read_write> wide: array<${type}>;
${flatMain("  wide[(i / p.columns) * p.stride + i % p.columns] = x[i];")}`,
  };
});

const gateKernel = memo((type: string): Kernel => {
  return {
    ...{ name: "gate", reads: 2, writes: 1 },
    wgsl: /* wgsl */ `
struct Params { count: u32, columns: u32, stride: u32, column: u32, length: u32, segment: u32, segments: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<${type}>;
@group(0) @binding(2) var<storage, read> gates: array<${type}>;
@group(0) @binding(3) var<storage, read_write> wide: array<${type}>;
${flatMain(/* wgsl */ `
  let row = i / p.columns;
  let c = i % p.columns;
  let at = (row / p.length) * p.segments + (row % p.length) / p.segment;
  let gate = ${type}(1.0) / (${type}(1.0) + exp(min(-gates[at * p.columns + c], ${type}(88.0))));
  wide[row * p.stride + p.column + c] = y[i] * gate;`)}`,
  };
});

export const widen =
  (gpu: Gpu) =>
  (x: GpuTensor, width: number): GpuTensor => {
    const [rows, d] = checkWiden(x, width);
    const vector = vectorOf(d, width);
    const wide = gpu.createTensor([rows, width]);
    const count = (rows * d) / vector.width;
    gpu.dispatch({
      kernel: widenKernel(vector.type),
      params: [count, d / vector.width, width / vector.width],
      reads: [x],
      writes: [wide],
      workgroups: flatGroups(count),
    });
    return wide;
  };

export const gate =
  (gpu: Gpu) =>
  (wide: GpuTensor, column: number, y: GpuTensor, gates: GpuTensor, clips: number, segment: number): GpuTensor => {
    const { d, length, segments } = checkGate(wide, column, y, gates, clips, segment);
    const stride = wide.shape[1];
    const { width, type } = vectorOf(d, stride, column);
    const count = (clips * length * d) / width;
    gpu.dispatch({
      kernel: gateKernel(type),
      params: [count, d / width, stride / width, column / width, length, segment, segments],
      reads: [y, gates],
      writes: [wide],
      workgroups: flatGroups(count),
    });
    return wide;
  };
