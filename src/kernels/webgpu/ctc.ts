import type { CtcHead } from "../../tensor/backend.ts";
import { checkLinear, checkTokens, checkTopK } from "../checks.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { reduction } from "./layerNorm.ts";
import { type GpuWeight, linearDispatch } from "./linear/kernel.ts";
import { inputDispatch } from "./linear/linear.ts";
import type { Kernel } from "./pipelines.ts";

const LANES = 64;
/** Rows whose logits exist at a time: 512 · 25055 · 4 bytes = 49 MiB, however long the clip. */
const CHUNK = 512;
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
  let out = (p.firstRow + group.x) * 2 * p.k;
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

export const ctcTopK =
  (gpu: Gpu) =>
  (x: GpuTensor, head: Head, k: number, banned?: number): GpuTensor => {
    const [total, vocab] = checkTopK(x, head, k, banned);
    const y = gpu.createTensor([total, 2 * k]);
    return forChunks(gpu, x, head, y, 0, (logits, firstRow, rows) =>
      gpu.dispatch({
        kernel: TOP_K,
        params: [vocab, firstRow, k, banned ?? NONE],
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
        kernel: LOG_PROBS,
        params: [vocab, firstRow, columns],
        reads: [logits, tokens],
        writes: [y],
        workgroups: [count],
      }),
    );
  };
