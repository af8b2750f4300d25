import { checkContext, checkStatistics } from "../checks.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import type { Kernel } from "./pipelines.ts";

/** A workgroup has some columns of a clip; its lanes share out the rows. */
const COLUMNS = 16;
const SLICES = 16;

/** `total`: the sum of the slices' values of this lane's column, for all of them. */
const TOTAL = /* wgsl */ `
var<workgroup> partial: array<f32, ${COLUMNS * SLICES}>;
fn total(lane: u32, value: f32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  var sum = 0.0;
  for (var s = lane % ${COLUMNS}; s < ${COLUMNS * SLICES}; s += ${COLUMNS}) { sum += partial[s]; }
  workgroupBarrier(); // before anyone writes partial again
  return sum;
}`;

const MAIN = /* wgsl */ `
@compute @workgroup_size(${COLUMNS * SLICES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * ${COLUMNS} + lane % ${COLUMNS};
  let slice = lane / ${COLUMNS};
  let c = min(column, p.d - 1); // all lanes come to the barriers
  let first = group.y * p.length;
  let writes = slice == 0 && column < p.d;`;

const CONTEXT: Kernel = {
  ...{ name: "context", reads: 1, writes: 1 },
  wgsl: /* wgsl */ `
struct Params { d: u32, length: u32, segment: u32, segments: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
${TOTAL}
fn sumOf(lane: u32, c: u32, first: u32, end: u32) -> f32 {
  var sum = 0.0;
  for (var row = first + lane / ${COLUMNS}; row < end; row += ${SLICES}) { sum += x[row * p.d + c]; }
  return total(lane, sum);
}
${MAIN}
  let end = first + p.length;
  let mean = sumOf(lane, c, first, end) / f32(p.length);
  for (var s = 0u; s < p.segments; s++) {
    let start = first + s * p.segment;
    let stop = min(end, start + p.segment);
    let own = sumOf(lane, c, start, stop) / f32(stop - start);
    if (writes) { y[(group.y * p.segments + s) * p.d + c] = mean + own; }
  }
}`,
};

const STATISTICS: Kernel = {
  ...{ name: "statistics", reads: 1, writes: 1 },
  wgsl: /* wgsl */ `
struct Params { d: u32, length: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
${TOTAL}
${MAIN}
  let end = first + p.length;
  var sum = 0.0;
  for (var row = first + slice; row < end; row += ${SLICES}) { sum += x[row * p.d + c]; }
  let mean = total(lane, sum) / f32(p.length);
  var squares = 0.0;
  for (var row = first + slice; row < end; row += ${SLICES}) {
    let centred = x[row * p.d + c] - mean;
    squares += centred * centred;
  }
  squares = total(lane, squares);
  if (writes) {
    y[group.y * 2 * p.d + c] = mean;
    y[(group.y * 2 + 1) * p.d + c] = sqrt(squares / f32(p.length - 1));
  }
}`,
};

export const context =
  (gpu: Gpu) =>
  (x: GpuTensor, clips: number, segment: number): GpuTensor => {
    const { d, length, segments } = checkContext(x, clips, segment);
    const y = gpu.createTensor([clips * segments, d]);
    gpu.dispatch({
      kernel: CONTEXT,
      params: [d, length, segment, segments],
      reads: [x],
      writes: [y],
      workgroups: [Math.ceil(d / COLUMNS), clips],
    });
    return y;
  };

export const statistics =
  (gpu: Gpu) =>
  (x: GpuTensor, clips: number): GpuTensor => {
    const [length, d] = checkStatistics(x, clips);
    const y = gpu.createTensor([clips, 2 * d]);
    gpu.dispatch({
      kernel: STATISTICS,
      params: [d, length],
      reads: [x],
      writes: [y],
      workgroups: [Math.ceil(d / COLUMNS), clips],
    });
    return y;
  };
