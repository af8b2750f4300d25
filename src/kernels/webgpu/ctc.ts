import type { CtcHead } from "../../tensor/backend.ts";
import { checkLinear, checkTokens } from "../checks.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { reduction } from "./layerNorm.ts";
import { inputDispatch } from "./linear.ts";
import { type GpuWeight, linearDispatch } from "./linearFrame.ts";

const LANES = 64;
/** Rows whose logits exist at a time: 512 · 25055 · 4 bytes = 49 MiB, however long the clip. */
const CHUNK = 512;
const NONE = 0xffffffff;

/** Each lane keeps the best of its share of a row of logits that is not banned; then the lanes merge by twos. */
const GREEDY = /* wgsl */ `
struct Params { vocab: u32, firstRow: u32, banned: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
var<workgroup> ids: array<u32, ${LANES}>;
var<workgroup> bests: array<f32, ${LANES}>;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let start = group.x * p.vocab;
  var id = ${NONE}u;
  var best = -3e38;
  for (var v = lane; v < p.vocab; v += ${LANES}) {
    let x = logits[start + v];
    if (v != p.banned && (x > best || id == ${NONE}u)) {
      best = x;
      id = v;
    }
  }
  ids[lane] = id;
  bests[lane] = best;
  workgroupBarrier();
  for (var half = ${LANES / 2}u; half > 0; half /= 2) {
    if (lane < half) {
      let other = lane + half;
      if (bests[other] > bests[lane] || (bests[other] == bests[lane] && ids[other] < ids[lane])) {
        bests[lane] = bests[other];
        ids[lane] = ids[other];
      }
    }
    workgroupBarrier();
  }
  if (lane == 0) { y[p.firstRow + group.x] = f32(ids[0]); }
}`;

/** log Σ exp(x) of a row of logits, in two passes; then the chosen logits less that. */
const LOG_PROBS = /* wgsl */ `
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
}`;

type Head = CtcHead<GpuTensor, GpuWeight>;

/** Fills y, whose row r is about x's row first + r, by calling `consume` with the logits of CHUNK rows after another. */
function forChunks(
  gpu: Gpu,
  x: GpuTensor,
  { weight, bias }: Head,
  y: GpuTensor,
  first: number,
  consume: (logits: GpuTensor, firstRow: number, rows: number) => void,
): GpuTensor {
  const total = y.shape[0];
  const input = inputDispatch(gpu, x, weight);
  if (input) gpu.dispatch(input);
  for (let start = 0; start < total; start += CHUNK) {
    const rows = Math.min(CHUNK, total - start);
    gpu.scope(() => {
      const logits = gpu.createTensor([rows, weight.shape[0]]);
      gpu.dispatch(linearDispatch(input?.writes ?? [x], weight, { bias }, logits, first + start));
      consume(logits, start, rows);
      return y;
    });
  }
  for (const tensor of input?.writes ?? []) gpu.release(tensor);
  return y;
}

export const ctcGreedy =
  (gpu: Gpu) =>
  (x: GpuTensor, head: Head, banned = NONE): GpuTensor => {
    const [total, vocab] = checkLinear(x, head.weight, { bias: head.bias });
    const y = gpu.createTensor([total]);
    return forChunks(gpu, x, head, y, 0, (logits, firstRow, rows) =>
      gpu.dispatch({
        name: "ctcGreedy",
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
  (x: GpuTensor, head: Head, tokens: GpuTensor, first: number, rows: number): GpuTensor => {
    const [, vocab] = checkLinear(x, head.weight, { bias: head.bias });
    const columns = checkTokens(x, tokens, first, rows);
    const y = gpu.createTensor([rows, columns]);
    return forChunks(gpu, x, head, y, first, (logits, firstRow, count) =>
      gpu.dispatch({
        name: "ctcLogProbs",
        wgsl: LOG_PROBS,
        params: [vocab, firstRow, columns],
        reads: [logits, tokens],
        writes: [y],
        workgroups: [count],
      }),
    );
  };
