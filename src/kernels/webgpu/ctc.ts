import type { CtcHead } from "../../tensor/backend.ts";
import { checkLinear, checkTokens } from "../checks.ts";
import type { GpuSegments } from "./attention.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { inputDispatch } from "./linear.ts";
import { type GpuWeight, linearDispatch } from "./linearFrame.ts";

const LANES = 64;
/** Rows whose logits exist at a time: 512 · 25055 · 4 bytes = 49 MiB, however long the clip. */
const CHUNK = 512;
const NONE = 0xffffffff;

/**
 * Over a row of logits each lane keeps the best of its share, and Σ exp(x − best); then the lanes merge by twos.
 * `ids` has the best token that is not banned; `tops` and `sums` are of the whole row, for log Σ exp.
 */
const REDUCE = /* wgsl */ `
var<workgroup> ids: array<u32, ${LANES}>;
var<workgroup> bests: array<f32, ${LANES}>;
var<workgroup> tops: array<f32, ${LANES}>;
var<workgroup> sums: array<f32, ${LANES}>;

fn reduce(start: u32, vocab: u32, banned: u32, lane: u32) {
  var id = ${NONE}u;
  var best = -3e38;
  var top = -3e38;
  var sum = 0.0;
  for (var v = lane; v < vocab; v += ${LANES}) {
    let x = logits[start + v];
    if (x > top) {
      sum = sum * exp(top - x) + 1.0;
      top = x;
    } else {
      sum += exp(x - top);
    }
    if (v != banned && (x > best || id == ${NONE}u)) {
      best = x;
      id = v;
    }
  }
  ids[lane] = id;
  bests[lane] = best;
  tops[lane] = top;
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0; half /= 2) {
    if (lane < half) {
      let other = lane + half;
      if (bests[other] > bests[lane] || (bests[other] == bests[lane] && ids[other] < ids[lane])) {
        bests[lane] = bests[other];
        ids[lane] = ids[other];
      }
      let high = max(tops[lane], tops[other]);
      sums[lane] = sums[lane] * exp(tops[lane] - high) + sums[other] * exp(tops[other] - high);
      tops[lane] = high;
    }
    workgroupBarrier();
  }
}`;

const GREEDY = /* wgsl */ `
struct Params { vocab: u32, firstRow: u32, banned: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec2<f32>>;
${REDUCE}
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  reduce(group.x * p.vocab, p.vocab, p.banned, lane);
  if (lane == 0) {
    y[p.firstRow + group.x] = vec2(f32(ids[0]), exp(bests[0] - tops[0]) / sums[0]);
  }
}`;

const LOG_PROBS = /* wgsl */ `
struct Params { vocab: u32, firstRow: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
${REDUCE}
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let start = group.x * p.vocab;
  reduce(start, p.vocab, ${NONE}u, lane);
  let row = p.firstRow + group.x;
  var clip = 0u;
  while (row >= offsets[clip + 1]) { clip++; }
  for (var l = lane; l < p.columns; l += ${LANES}) {
    y[row * p.columns + l] = logits[start + tokens[clip * p.columns + l]] - tops[0] - log(sums[0]);
  }
}`;

/** Fills y by calling `consume` with the logits of CHUNK rows after another. */
function forChunks(
  gpu: Gpu,
  x: GpuTensor,
  { weight, bias }: GpuCtcHead,
  y: GpuTensor,
  consume: (logits: GpuTensor, firstRow: number, rows: number) => void,
): GpuTensor {
  const [total] = checkLinear(x, weight, { bias });
  const input = inputDispatch(gpu, x, weight);
  if (input) gpu.dispatch(input);
  for (let first = 0; first < total; first += CHUNK) {
    const rows = Math.min(CHUNK, total - first);
    gpu.scope(() => {
      const logits = gpu.createTensor([rows, weight.shape[0]]);
      gpu.dispatch(linearDispatch(input?.writes ?? [x], weight, { bias }, logits, first));
      consume(logits, first, rows);
      return y;
    });
  }
  for (const tensor of input?.writes ?? []) gpu.release(tensor);
  return y;
}

export const ctcGreedy =
  (gpu: Gpu) =>
  (x: GpuTensor, head: GpuCtcHead, banned = NONE): GpuTensor => {
    const vocab = head.weight.shape[0];
    const y = gpu.createTensor([x.shape[0], 2]);
    return forChunks(gpu, x, head, y, (logits, firstRow, rows) =>
      gpu.dispatch({
        wgsl: GREEDY,
        params: [vocab, firstRow, banned],
        reads: [logits],
        writes: [y],
        workgroups: [rows],
      }),
    );
  };

export const ctcLogProbs =
  (gpu: Gpu) =>
  (x: GpuTensor, head: GpuCtcHead, tokens: GpuTensor, segments: GpuSegments): GpuTensor => {
    const vocab = head.weight.shape[0];
    const [, columns] = checkTokens(x, tokens, segments);
    const y = gpu.createTensor([x.shape[0], columns]);
    return forChunks(gpu, x, head, y, (logits, firstRow, rows) =>
      gpu.dispatch({
        wgsl: LOG_PROBS,
        params: [vocab, firstRow, columns],
        reads: [logits, tokens, segments.offsets],
        writes: [y],
        workgroups: [rows],
      }),
    );
  };

export interface GpuCtcHead extends CtcHead {
  readonly weight: GpuWeight;
  readonly bias: GpuTensor;
}
