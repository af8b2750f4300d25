import type { CtcHead } from "../../tensor/backend.ts";
import { checkLinear, checkTokens, checkTopK } from "../checks.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { reduction } from "./layerNorm.ts";
import { BEST, BEST_SIZE } from "./linear/best.ts";
import { linearDispatch, sourceOf } from "./linear/dispatch.ts";
import { type GpuWeight, kernelFor, type LinearKernel } from "./linear/kernel.ts";
import type { Kernel } from "./pipelines.ts";

const LANES = 64;
/** Rows whose logits exist at a time: 512 · 25055 · 4 bytes = 49 MiB, however long the clip. */
const CHUNK = 512;
/** Rows whose bests of groups of columns exist at a time: 8192 · 392 · 16 bytes = 49 MiB. */
const BEST_CHUNK = 8192;
const NONE = 0xffffffff;

/**
 * Each lane owns every 64th logit of a row. While it looks for the best of its own it sums their exponentials, less the
 * largest so far. Then k times the lanes merge their bests by twos, and the lane whose best won looks for its next.
 */
const TOP_K: Kernel = {
  ...{ name: "ctcTopK", reads: 1, writes: 1 },
  wgsl: /* wgsl */ `
struct Params { vocab: u32, firstRow: u32, k: u32, banned: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
var<workgroup> ids: array<u32, ${LANES}>;
var<workgroup> bests: array<f32, ${LANES}>;
var<workgroup> partial: array<f32, ${LANES}>;
${reduction("largest", "max(a, b)")}
${reduction("total", "a + b")}

struct Candidate { x: f32, id: u32 }
const NOTHING = Candidate(-3e38, ${NONE}u);

fn precedes(a: Candidate, b: Candidate) -> bool { return a.x > b.x || (a.x == b.x && a.id < b.id); }

/** The best of the lane's logits that comes after the last winner. */
fn bestAfter(last: Candidate, start: u32, lane: u32) -> Candidate {
  var best = NOTHING;
  for (var v = lane; v < p.vocab; v += ${LANES}) {
    let candidate = Candidate(logits[start + v], v);
    if (v != p.banned && precedes(last, candidate) && precedes(candidate, best)) { best = candidate; }
  }
  return best;
}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let start = group.x * p.vocab;
  let out = (p.firstRow + group.x) * (2 * p.k + 1);
  var mine = NOTHING;
  var top = -3e38;
  var sum = 0.0;
  for (var v = lane; v < p.vocab; v += ${LANES}) {
    let x = logits[start + v];
    let smaller = exp(-abs(x - top));
    sum = select(sum + smaller, sum * smaller + 1.0, x > top);
    top = max(top, x);
    if (v != p.banned && (x > mine.x || mine.id == ${NONE}u)) { mine = Candidate(x, v); }
  }
  let rowTop = largest(lane, top);
  let logSum = rowTop + log(total(lane, sum * exp(top - rowTop)));
  if (lane == 0) { y[out + 2 * p.k] = logSum; }
  for (var i = 0u; i < p.k; i++) {
    ids[lane] = mine.id;
    bests[lane] = mine.x;
    workgroupBarrier();
    for (var half = ${LANES / 2}u; half > 0; half /= 2) {
      if (lane < half) {
        let other = Candidate(bests[lane + half], ids[lane + half]);
        if (precedes(other, Candidate(bests[lane], ids[lane]))) {
          bests[lane] = other.x;
          ids[lane] = other.id;
        }
      }
      workgroupBarrier();
    }
    let winner = Candidate(bests[0], ids[0]);
    workgroupBarrier(); // before anyone writes bests again
    if (lane == 0) {
      y[out + i] = f32(winner.id);
      y[out + p.k + i] = winner.x - logSum;
    }
    if (winner.id == mine.id && i + 1 < p.k) { mine = bestAfter(winner, start, lane); }
  }
}`,
};

/** log Σ exp(x) of a row of logits, in two passes; then the chosen logits less that. */
const LOG_PROBS: Kernel = {
  ...{ name: "ctcLogProbs", reads: 2, writes: 1 },
  wgsl: /* wgsl */ `
struct Params { vocab: u32, firstRow: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
var<workgroup> partial: array<f32, ${LANES}>;
${reduction("largest", "max(a, b)")}
${reduction("total", "a + b")}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let start = group.x * p.vocab;
  var top = -3e38;
  for (var v = lane; v < p.vocab; v += ${LANES}) { top = max(top, logits[start + v]); }
  top = largest(lane, top);
  var sum = 0.0;
  for (var v = lane; v < p.vocab; v += ${LANES}) { sum += exp(logits[start + v] - top); }
  let logSum = top + log(total(lane, sum));
  let out = (p.firstRow + group.x) * p.columns;
  for (var l = lane; l < p.columns; l += ${LANES}) { y[out + l] = logits[start + tokens[l]] - logSum; }
}`,
};

/** The chosen logits less log Σ exp(x), which is known. */
const CHOSEN: Kernel = {
  ...{ name: "ctcChosen", reads: 3, writes: 1 },
  wgsl: /* wgsl */ `
struct Params { vocab: u32, firstRow: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> logSums: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = p.firstRow + group.x;
  for (var l = lane; l < p.columns; l += ${LANES}) {
    y[row * p.columns + l] = logits[group.x * p.vocab + tokens[l]] - logSums[row];
  }
}`,
};

type Head = CtcHead<GpuTensor, GpuWeight>;

/** Joins the bests of a row's groups of columns. */
const MERGE: Kernel = {
  ...{ name: "ctcBest", reads: 1, writes: 1 },
  wgsl: /* wgsl */ `
struct Params { firstRow: u32, groups: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
var<workgroup> bests: array<vec4<f32>, ${LANES}>;
${BEST}

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  var best = NOTHING;
  for (var i = lane; i < p.groups; i += ${LANES}) { best = merged(best, parts[group.x * p.groups + i]); }
  bests[lane] = best;
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0; half /= 2) {
    if (lane < half) { bests[lane] = merged(bests[lane], bests[lane + half]); }
    workgroupBarrier();
  }
  if (lane == 0) {
    let all = bests[0];
    let logSum = all.z + log(all.w);
    let out = (p.firstRow + group.x) * 3;
    y[out] = all.y;
    y[out + 1] = all.x - logSum;
    y[out + 2] = logSum;
  }
}`,
};

/**
 * Fills y, whose row r is about x's row first + r, chunk after chunk: the head's kernel makes so many numbers of each row,
 * its logits or, given `banned`, the bests of groups of them, and `consume` turns them into rows of y.
 */
function forChunks(
  gpu: Gpu,
  x: GpuTensor,
  { weight, bias }: Head,
  y: GpuTensor,
  first: number,
  consume: (made: GpuTensor, firstRow: number, rows: number) => void,
  kernel: LinearKernel,
  banned?: number,
): GpuTensor {
  const [total] = y.shape;
  const [vocab] = weight.shape;
  const [chunk, numbers] =
    banned === undefined ? [CHUNK, vocab] : [BEST_CHUNK, Math.ceil(vocab / kernel.tile[1]) * BEST_SIZE];
  const source = sourceOf(gpu, kernel, x, weight);
  if (source.made) gpu.dispatch(source.made);
  for (let start = 0; start < total; start += chunk) {
    const count = Math.min(chunk, total - start);
    gpu.scope(() => {
      const made = gpu.createTensor([count, numbers]);
      gpu.dispatch(linearDispatch(kernel, source, weight, { bias }, made, { first: first + start, count }, banned));
      consume(made, start, count);
      return y;
    });
  }
  for (const tensor of source.made?.writes ?? []) gpu.release(tensor);
  return y;
}

export const ctcTopK =
  (gpu: Gpu) =>
  (x: GpuTensor, head: Head, k: number, banned?: number): GpuTensor => {
    const [total, vocab] = checkTopK(x, head, k, banned);
    const y = gpu.createTensor([total, 2 * k + 1]);
    const kernel = kernelFor(head.weight, total);
    if (k === 1 && kernel.fuses) {
      const groups = Math.ceil(vocab / kernel.tile[1]);
      const merge = (parts: GpuTensor, firstRow: number, rows: number) => {
        gpu.dispatch({
          kernel: MERGE,
          params: [firstRow, groups],
          reads: [parts],
          writes: [y],
          workgroups: [rows],
        });
      };
      return forChunks(gpu, x, head, y, 0, merge, kernel, banned ?? NONE);
    }
    const choose = (logits: GpuTensor, firstRow: number, rows: number) => {
      gpu.dispatch({
        kernel: TOP_K,
        params: [vocab, firstRow, k, banned ?? NONE],
        reads: [logits],
        writes: [y],
        workgroups: [rows],
      });
    };
    return forChunks(gpu, x, head, y, 0, choose, kernel);
  };

export const ctcLogProbs =
  (gpu: Gpu) =>
  (x: GpuTensor, head: Head, tokens: GpuTensor, first: number, rows: number, logSums?: GpuTensor): GpuTensor => {
    const [, vocab] = checkLinear(x, head.weight, { bias: head.bias });
    const columns = checkTokens(x, tokens, first, rows, logSums);
    const y = gpu.createTensor([rows, columns]);
    const choose = (logits: GpuTensor, firstRow: number, count: number) => {
      gpu.dispatch({
        kernel: logSums ? CHOSEN : LOG_PROBS,
        params: [vocab, firstRow, columns],
        reads: logSums ? [logits, tokens, logSums] : [logits, tokens],
        writes: [y],
        workgroups: [count],
      });
    };
    return forChunks(gpu, x, head, y, first, choose, kernelFor(head.weight, rows));
  };
