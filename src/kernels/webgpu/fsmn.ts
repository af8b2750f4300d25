import type { Batch } from "../../tensor/backend.ts";
import { checkFsmn } from "../checks.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";

const LANES = 64;

/** A lane makes one column of one row; neighbouring lanes read neighbouring columns. */
const fsmnWgsl = (taps: number, residual: boolean) => /* wgsl */ `
struct Params { d: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> taps: array<f32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
${residual ? "@group(0) @binding(4) var<storage, read> residual: array<f32>;" : ""}
@group(0) @binding(${residual ? 5 : 4}) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(${LANES})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let first = offsets[id.z];
  let end = offsets[id.z + 1];
  let row = first + id.y;
  let column = id.x;
  if (column >= p.d || row >= end) { return; }
  let v = 2 * p.d + column;
  var sum = qkv[row * 3 * p.d + v]${residual ? " + residual[row * p.d + column]" : ""};
  for (var j = 0u; j < ${taps}; j++) {
    let source = row + j; // + half, so that it does not go below zero
    if (source >= first + ${(taps - 1) / 2} && source < end + ${(taps - 1) / 2}) {
      sum += taps[column * ${taps} + j] * qkv[(source - ${(taps - 1) / 2}) * 3 * p.d + v];
    }
  }
  y[row * p.d + column] = sum;
}`;

export const fsmn =
  (gpu: Gpu) =>
  (qkv: GpuTensor, taps: GpuTensor, batch: Batch<GpuTensor>, residual?: GpuTensor): GpuTensor => {
    const [rows, d, j] = checkFsmn(qkv, taps, batch, residual);
    const y = gpu.createTensor([rows, d]);
    gpu.dispatch({
      name: "fsmn",
      wgsl: fsmnWgsl(j, residual !== undefined),
      params: [d],
      reads: [qkv, taps, batch.offsets, ...(residual ? [residual] : [])],
      writes: [y],
      workgroups: [Math.ceil(d / LANES), Math.max(...batch.lengths), batch.lengths.length],
    });
    return y;
  };
