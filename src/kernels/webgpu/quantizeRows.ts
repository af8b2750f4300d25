import type { Norm } from "../../tensor/backend.ts";
import { elementCount } from "../../tensor/host.ts";
import { BLOCK } from "../../tensor/quantized.ts";
import type { Dispatch, Gpu, GpuTensor } from "./gpu.ts";
import { LANES, MOMENTS, reduction, rowGroups } from "./layerNorm.ts";
import { memo } from "./memo.ts";
import type { Kernel } from "./pipelines.ts";

/** Whose largest number a row is rounded by: its own, its clip's, or none, for there is one scale for all. */
type Measure = "row" | "clip" | "fixed";

const readsOf = (norm: boolean, measure: Measure) => (norm ? 3 : measure === "clip" ? 2 : 1);

/** With `norm` of the row's layer norm, which is computed anew for each use and never stored. */
const quantizeRowsWgsl = (norm: boolean, measure: Measure) => /* wgsl */ `
struct Params { rows: u32, d: u32, rowsAcross: u32, words: u32, scale: f32, factor: f32, rowsOfClip: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
${norm ? "@group(0) @binding(2) var<storage, read> gamma: array<f32>;" : ""}
${norm ? "@group(0) @binding(3) var<storage, read> beta: array<f32>;" : ""}
${measure === "clip" ? "@group(0) @binding(2) var<storage, read> maxima: array<f32>;" : ""}
@group(0) @binding(${readsOf(norm, measure) + 1}) var<storage, read_write> values: array<u32>;
@group(0) @binding(${readsOf(norm, measure) + 2}) var<storage, read_write> scales: array<f32>;
var<workgroup> partial: array<f32, ${LANES}>;
${norm ? MOMENTS : ""}
${measure === "fixed" ? "" : reduction("largest", "max(a, b)")}
fn element(start: u32, i: u32, m: vec2<f32>) -> f32 { return ${norm ? "normed(start, i, m)" : "x[start + i]"}; }

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * p.rowsAcross + group.x;
  if (row >= p.rows) { return; }
  let start = row * p.d;
  let m = ${norm ? "moments(start, lane)" : "vec2<f32>()"};
  var scale = p.scale;
  var factor = p.factor;
  ${
    measure !== "fixed"
      ? `var size = 0.0;
  ${
    measure === "clip"
      ? `size = maxima[(row / p.rowsOfClip) * ${LANES} + lane];`
      : `for (var i = lane; i < p.d; i += ${LANES}) { size = max(size, abs(element(start, i, m))); }`
  }
  size = largest(lane, size);
  scale = size * ${Math.fround(1 / 127)};
  factor = select(127.0 / size, 0.0, size < 1e-30);`
      : ""
  }
  if (lane == 0) { scales[row] = scale; }
  for (var word = lane; word < p.words; word += ${LANES}) {
    let i = word * 4;
    var bytes = vec4<u32>();
    if (i < p.d) {
      let v = vec4(element(start, i, m), element(start, i + 1, m), element(start, i + 2, m), element(start, i + 3, m));
      bytes = vec4<u32>(vec4<i32>(clamp(round(v * factor), vec4(-127.0), vec4(127.0)))) & vec4(255u);
    }
    values[row * p.words + word] = dot(bytes, vec4(1u, 1u << 8, 1u << 16, 1u << 24));
  }
}`;

const quantizeRowsKernel = memo((norm: boolean, measure: Measure): Kernel => {
  return { name: "quantizeRows", wgsl: quantizeRowsWgsl(norm, measure), reads: readsOf(norm, measure), writes: 2 };
});

/** Lane for lane the largest magnitudes of a clip; a workgroup has some of them. */
const LARGEST: Kernel = {
  ...{ name: "largest", reads: 1, writes: 1 },
  wgsl: /* wgsl */ `
struct Params { length: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> maxima: array<f32>;
var<workgroup> partial: array<f32, ${LANES}>;
${reduction("largest", "max(a, b)")}
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  var size = 0.0;
  for (var i = group.x * ${LANES} + lane; i < p.length; i += ${LANES * LANES}) {
    size = max(size, abs(x[group.y * p.length + i]));
  }
  size = largest(lane, size);
  if (lane == 0) { maxima[group.y * ${LANES} + group.x] = size; }
}`,
};

/** The largest magnitudes of `clips` clips of equal size, of 64 parts each: f32 [clips, 64]. */
export function largestOfClips(gpu: Gpu, x: GpuTensor, clips: number): GpuTensor {
  const maxima = gpu.createTensor([clips, LANES]);
  const params = [elementCount(x.shape) / clips];
  gpu.dispatch({ kernel: LARGEST, params, reads: [x], writes: [maxima], workgroups: [LANES, clips] });
  return maxima;
}

/** The bits of `scale` and `factor`. */
export const fixedParams = memo((activation: "dynamic" | number): readonly number[] => {
  const fixed = activation === "dynamic" ? [0, 0] : [activation, 1 / Math.fround(activation)];
  return Array.from(new Uint32Array(Float32Array.from(fixed).buffer));
});

/**
 * The dispatch that writes the rows of x [R, K], or of layerNorm(x, norm), in int8: u32 [R, ⌈K/32⌉·8], four neighbours
 * a word and zeros behind the row; and the scale s of each, f32 [R]. QuantizedTensor.activation has the formula.
 *
 * @param maxima of `largestOfClips`: rows are rounded by what is the largest of their clip
 */
export function quantizeRowsDispatch(
  gpu: Gpu,
  x: GpuTensor,
  activation: "dynamic" | number,
  norm?: Norm<GpuTensor>,
  maxima?: GpuTensor,
): Dispatch {
  const [rows, d] = x.shape;
  const words = Math.ceil(d / BLOCK) * 8;
  const workgroups = rowGroups(rows);
  const [scale, factor] = fixedParams(activation);
  return {
    kernel: quantizeRowsKernel(norm !== undefined, activation !== "dynamic" ? "fixed" : maxima ? "clip" : "row"),
    params: [rows, d, workgroups[0], words, scale, factor, maxima ? rows / maxima.shape[0] : 0],
    reads: [x, ...(norm ? [norm.gamma, norm.beta] : []), ...(maxima ? [maxima] : [])],
    writes: [gpu.createTensor([rows, words], "u32"), gpu.createTensor([rows])],
    workgroups,
  };
}
