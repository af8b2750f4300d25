import type { Batch } from "../../tensor/backend.ts";
import { checkAttention } from "../checks.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { memo } from "./memo.ts";
import type { Kernel } from "./pipelines.ts";

/** Keys of a tile, and lanes: in the first half of a step a lane owns a key, in the second some columns of v. */
const TILE = 64;
/** Query rows of a workgroup. */
const QUERIES = 8;
const PARTS = TILE / QUERIES;

/**
 * softmax(q·kᵀ/√width)·v with a running maximum and sum over tiles of keys (Milakov and Gimelshein 2018, "Online
 * normalizer calculation for softmax"; Dao et al. 2022, "FlashAttention"): no [T, T] matrix, whatever the length.
 * A workgroup makes QUERIES rows of one head of one clip.
 */
const attentionWgsl = (width: number) => /* wgsl */ `
const WIDTH4 = ${width / 4}u;
const COLUMNS = ${Math.ceil(width / TILE)}u; // columns of v a lane sums
struct Params { d: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> q: array<vec4<f32>, ${(QUERIES * width) / 4}>;
var<workgroup> weights: array<f32, ${QUERIES * TILE}>; // [QUERIES, TILE]: scores, then exp(score − max)
var<workgroup> partial: array<f32, ${TILE}>; // [QUERIES, PARTS]

@compute @workgroup_size(${TILE})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let end = offsets[group.z + 1];
  let firstKey = offsets[group.z];
  let firstQuery = firstKey + group.x * ${QUERIES};
  if (firstQuery >= end) { return; }
  let stride4 = 3 * p.d / 4;
  let head4 = group.y * WIDTH4;
  for (var i = lane; i < ${QUERIES} * WIDTH4; i += ${TILE}) {
    let row = min(firstQuery + i / WIDTH4, end - 1); // queries past the end repeat the last, and are not stored
    q[i] = qkv[row * stride4 + head4 + i % WIDTH4] * ${1 / Math.sqrt(width)};
  }
  workgroupBarrier();

  // For the running softmax, lane (query, part) owns PARTS scores of one query.
  let query = lane / ${PARTS};
  let part = lane % ${PARTS};
  var sum = array<array<f32, COLUMNS>, ${QUERIES}>();
  var maxima = array<f32, ${QUERIES}>();
  var totals = array<f32, ${QUERIES}>();
  for (var i = 0u; i < ${QUERIES}; i++) { maxima[i] = -3e38; }

  for (var tile = firstKey; tile < end; tile += ${TILE}) {
    // Scores of this lane's key with every query.
    let key = tile + lane;
    var score = array<f32, ${QUERIES}>();
    if (key < end) {
      let at = key * stride4 + p.d / 4 + head4;
      for (var i = 0u; i < WIDTH4; i++) {
        let k = qkv[at + i];
        for (var j = 0u; j < ${QUERIES}; j++) { score[j] += dot(q[j * WIDTH4 + i], k); }
      }
    }
    for (var j = 0u; j < ${QUERIES}; j++) {
      weights[j * ${TILE} + lane] = select(-3e38, score[j], key < end);
    }
    workgroupBarrier();

    let mine = query * ${TILE} + part * ${PARTS};
    var top = weights[mine];
    for (var i = 1u; i < ${PARTS}; i++) { top = max(top, weights[mine + i]); }
    partial[lane] = top;
    workgroupBarrier();
    var rescale = array<f32, ${QUERIES}>(); // what older sums are worth under the new maximum
    for (var j = 0u; j < ${QUERIES}; j++) {
      var best = maxima[j];
      for (var i = 0u; i < ${PARTS}; i++) { best = max(best, partial[j * ${PARTS} + i]); }
      rescale[j] = exp(maxima[j] - best);
      maxima[j] = best;
    }
    workgroupBarrier();
    var tileSum = 0.0;
    for (var i = 0u; i < ${PARTS}; i++) {
      let weight = exp(weights[mine + i] - maxima[query]);
      weights[mine + i] = weight;
      tileSum += weight;
    }
    partial[lane] = tileSum;
    workgroupBarrier();
    for (var j = 0u; j < ${QUERIES}; j++) {
      totals[j] *= rescale[j];
      for (var i = 0u; i < ${PARTS}; i++) { totals[j] += partial[j * ${PARTS} + i]; }
      for (var c = 0u; c < COLUMNS; c++) { sum[j][c] *= rescale[j]; }
    }

    // weights · v, this lane's columns.
    for (var c = 0u; c < COLUMNS; c++) {
      let column = c * ${TILE} + lane;
      if (column < ${width}) {
        for (var s = 0u; s < min(${TILE}u, end - tile); s++) {
          let element = (tile + s) * 3 * p.d + 2 * p.d + group.y * ${width} + column;
          let v = qkv[element / 4][element % 4];
          for (var j = 0u; j < ${QUERIES}; j++) { sum[j][c] += weights[j * ${TILE} + s] * v; }
        }
      }
    }
    workgroupBarrier();
  }

  for (var j = 0u; j < min(${QUERIES}u, end - firstQuery); j++) {
    for (var c = 0u; c < COLUMNS; c++) {
      let column = c * ${TILE} + lane;
      if (column < ${width}) {
        y[(firstQuery + j) * p.d + group.y * ${width} + column] = sum[j][c] / totals[j];
      }
    }
  }
}`;

/** Of clips of one length. */
const attentionWork: Kernel["work"] = (_, [rows, d], clips) => ({ flop: (4 * rows * rows * d) / clips });

const attentionKernel = memo((width: number): Kernel => {
  return { name: "attention", wgsl: attentionWgsl(width), reads: 2, writes: 1, work: attentionWork };
});

export const attention =
  (gpu: Gpu) =>
  (qkv: GpuTensor, heads: number, batch: Batch<GpuTensor>): GpuTensor => {
    const [rows, d, width] = checkAttention(qkv, heads, batch);
    const y = gpu.createTensor([rows, d]);
    gpu.dispatch({
      kernel: attentionKernel(width),
      params: [d],
      reads: [qkv, batch.offsets],
      writes: [y],
      workgroups: [Math.ceil(Math.max(...batch.lengths) / QUERIES), heads, batch.lengths.length],
    });
    return y;
  };
