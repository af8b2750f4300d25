import type { Norm } from "../../tensor/backend.ts";
import { checkLayerNorm } from "../checks.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";

const LANES = 64;

/** A workgroup a row; two passes in f32: the residual stream reaches tens of thousands, where E[x²] − E[x]² fails. */
const WGSL = /* wgsl */ `
struct Params { rows: u32, d: u32, rowsAcross: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<f32, ${LANES}>;

fn total(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0; half /= 2) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  let sum = partial[0];
  workgroupBarrier(); // before anyone writes partial again
  return sum;
}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * p.rowsAcross + group.x;
  if (row >= p.rows) { return; }
  let start = row * p.d;
  var sum = 0.0;
  for (var i = lane; i < p.d; i += ${LANES}) { sum += x[start + i]; }
  let mean = total(lane, sum) / f32(p.d);
  var squares = 0.0;
  for (var i = lane; i < p.d; i += ${LANES}) {
    let centred = x[start + i] - mean;
    squares += centred * centred;
  }
  let scale = inverseSqrt(total(lane, squares) / f32(p.d) + 1e-5);
  for (var i = lane; i < p.d; i += ${LANES}) {
    y[start + i] = (x[start + i] - mean) * scale * gamma[i] + beta[i];
  }
}`;

export const layerNorm =
  (gpu: Gpu) =>
  (x: GpuTensor, norm: GpuNorm): GpuTensor => {
    const [rows, d] = checkLayerNorm(x, norm);
    const y = gpu.createTensor(x.shape);
    const across = Math.min(rows, 32768); // a dimension has at most 65535 workgroups
    gpu.dispatch({
      wgsl: WGSL,
      params: [rows, d, across],
      reads: [x, norm.gamma, norm.beta],
      writes: [y],
      workgroups: [across, Math.ceil(rows / across)],
    });
    return y;
  };

interface GpuNorm extends Norm {
  readonly gamma: GpuTensor;
  readonly beta: GpuTensor;
}
