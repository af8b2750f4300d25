import type { Norm } from "../../tensor/backend.ts";
import { checkLayerNorm } from "../checks.ts";
import type { Dispatch, Gpu, GpuTensor } from "./gpu.ts";
import type { Kernel } from "./pipelines.ts";

/** Lanes of a workgroup, which makes a row. */
export const LANES = 64;

/** `fn NAME(lane, value)`: combines one value of each lane into one that all get. */
export const reduction = (name: string, combined: string) => /* wgsl */ `
fn ${name}(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0; half /= 2) {
    if (lane < half) {
      let a = partial[lane];
      let b = partial[lane + half];
      partial[lane] = ${combined};
    }
    workgroupBarrier();
  }
  let all = partial[0];
  workgroupBarrier(); // before anyone writes partial again
  return all;
}`;

/**
 * `moments` gives mean and 1/√(variance + 1e-5) of the row of x from `start` on: two passes in f32, since the residual
 * stream reaches tens of thousands, where E[x²] − E[x]² fails. `normed` is element i of the row's layer norm.
 */
export const MOMENTS = /* wgsl */ `
${reduction("total", "a + b")}
fn moments(start: u32, lane: u32) -> vec2<f32> {
  var sum = 0.0;
  for (var i = lane; i < p.d; i += ${LANES}) { sum += x[start + i]; }
  let mean = total(lane, sum) / f32(p.d);
  var squares = 0.0;
  for (var i = lane; i < p.d; i += ${LANES}) {
    let centred = x[start + i] - mean;
    squares += centred * centred;
  }
  return vec2(mean, inverseSqrt(total(lane, squares) / f32(p.d) + 1e-5));
}
fn normed(start: u32, i: u32, m: vec2<f32>) -> f32 { return (x[start + i] - m.x) * m.y * gamma[i] + beta[i]; }`;

const KERNEL: Kernel = {
  ...{ name: "layerNorm", reads: 3, writes: 1 },
  wgsl: /* wgsl */ `
struct Params { rows: u32, d: u32, rowsAcross: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
var<workgroup> partial: array<f32, ${LANES}>;
${MOMENTS}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * p.rowsAcross + group.x;
  if (row >= p.rows) { return; }
  let start = row * p.d;
  let m = moments(start, lane);
  for (var i = lane; i < p.d; i += ${LANES}) { y[start + i] = normed(start, i, m); }
}`,
};

export const layerNorm =
  (gpu: Gpu) =>
  (x: GpuTensor, norm: Norm<GpuTensor>): GpuTensor => {
    checkLayerNorm(x, norm);
    const y = gpu.createTensor(x.shape);
    gpu.dispatch(layerNormDispatch(x, norm, y));
    return y;
  };

export function layerNormDispatch(x: GpuTensor, norm: Norm<GpuTensor>, y: GpuTensor): Dispatch {
  const [rows, d] = x.shape;
  const workgroups = rowGroups(rows);
  return {
    kernel: KERNEL,
    params: [rows, d, workgroups[0]],
    reads: [x, norm.gamma, norm.beta],
    writes: [y],
    workgroups,
  };
}

/** A workgroup a row; a dimension has at most 65535 of them. */
export function rowGroups(rows: number): [across: number, down: number] {
  const across = Math.min(rows, 32768);
  return [across, Math.ceil(rows / across)];
}
