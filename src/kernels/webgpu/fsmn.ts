import { checkCausalFsmn } from "../checks.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { memo } from "./memo.ts";
import type { Kernel } from "./pipelines.ts";

const LANES = 64;

/** A lane makes one column of one row. Row r of the past and the present together is history's, then x's. */
const causalWgsl = (taps: number) => /* wgsl */ `
struct Params { rows: u32, d: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> taps: array<f32>;
@group(0) @binding(3) var<storage, read> history: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  let row = id.y;
  if (column >= p.d || row >= p.rows) { return; }
  var sum = x[row * p.d + column];
  for (var j = 0u; j < ${taps}; j++) {
    let source = row + j;
    var value = 0.0;
    if (source < ${taps - 1}) { value = history[source * p.d + column]; }
    else { value = x[(source - ${taps - 1}) * p.d + column]; }
    sum += taps[column * ${taps} + j] * value;
  }
  y[row * p.d + column] = sum;
}`;

/** A lane moves one column, from the oldest row on. */
const historyWgsl = (taps: number) => /* wgsl */ `
struct Params { rows: u32, d: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> history: array<f32>;

@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  if (column >= p.d) { return; }
  for (var i = 0u; i < ${taps - 1}; i++) {
    let source = p.rows + i;
    var value = 0.0;
    if (source < ${taps - 1}) { value = history[source * p.d + column]; }
    else { value = x[(source - ${taps - 1}) * p.d + column]; }
    history[i * p.d + column] = value;
  }
}`;

const causalKernel = memo((taps: number): Kernel => {
  return { name: "causalFsmn", wgsl: causalWgsl(taps), reads: 3, writes: 1 };
});

const historyKernel = memo((taps: number): Kernel => {
  return { name: "fsmnHistory", wgsl: historyWgsl(taps), reads: 1, writes: 1 };
});

export const causalFsmn =
  (gpu: Gpu) =>
  (x: GpuTensor, taps: GpuTensor, history: GpuTensor): GpuTensor => {
    const [rows, d, j] = checkCausalFsmn(x, taps, history);
    const y = gpu.createTensor([rows, d]);
    const columns = Math.ceil(d / LANES);
    gpu.dispatch({
      kernel: causalKernel(j),
      params: [rows, d],
      reads: [x, taps, history],
      writes: [y],
      workgroups: [columns, rows],
    });
    gpu.dispatch({
      kernel: historyKernel(j),
      params: [rows, d],
      reads: [x],
      writes: [history],
      workgroups: [columns],
    });
    return y;
  };
