import { exp, expOf, maxLanes, sumLanes } from "./simd";
import { next, thread } from "./threads";
import { PANEL, ROWS } from "./tile";
import { multiply, panels, tileRows, Weight } from "./weight";

/** Tokens of a task. */
const TOKENS: usize = 64;
/** What a task leaves of a row's logits: max x, Σ exp(x − max), the best x that is not banned, its token. */
const PART: usize = 16;

/**
 * The CTC head on x (packed as for `linear`) without its logits in memory: each task makes the logits of 64 tokens, a
 * tile of rows at a time, and leaves a PART of each row in parts [⌈vocab/64⌉, rows].
 *
 * With `chosen` not 0, the logits of the tokens chosen [chosenCount] are kept as well, in y [_, chosenCount] from row
 * `firstRow` on; without, nobody asks for Σ exp, and it is not computed.
 *
 * @param scratch `scratchBytes` a thread: logits [ROWS, 64], the chosen columns [chosenCount], unpacked weights [8, k, 8]
 */
export function ctc(
  x: usize,
  weight: Weight,
  bias: usize,
  banned: usize,
  parts: usize,
  rows: usize,
  vocab: usize,
  chosen: usize,
  chosenCount: usize,
  firstRow: usize,
  y: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const logits = scratch + thread * scratchBytes;
  const matches = logits + ROWS * TOKENS * 4;
  const unpacked = matches + ((chosenCount * 4 + 15) & ~15);
  const step = tileRows(weight);
  for (let task: usize = next(); task * TOKENS < vocab; task = next()) {
    const token = task * TOKENS;
    const count = min(TOKENS, vocab - token);
    const panelCount = (count + PANEL - 1) / PANEL;
    const w = panels(weight, token / PANEL, panelCount, unpacked);
    const matchCount = findChosen(chosen, chosenCount, token, count, matches);
    for (let row: usize = 0; row < rows; row += step) {
      multiply(weight, x, row, w, token / PANEL, panelCount, logits, TOKENS * 4);
      for (let r: usize = 0; r < min(step, rows - row); r++) {
        const mine: usize = logits + r * TOKENS * 4;
        addBias(mine, bias + token * 4, count);
        const out: usize = y + (firstRow + row + r) * chosenCount * 4;
        for (let m: usize = 0; m < matchCount; m++) {
          const column: usize = load<u32>(matches + m * 4);
          const chosenToken: usize = load<u32>(chosen + column * 4);
          f32.store(out + column * 4, f32.load(mine + (chosenToken - token) * 4));
        }
        const part: usize = parts + (task * rows + row + r) * PART;
        if (chosenCount > 0) sumExp(mine, part);
        else findBest(mine, token, banned, part);
      }
    }
  }
}

/** Adds the bias; logits past `count` become −∞. */
function addBias(logits: usize, bias: usize, count: usize): void {
  for (let at: usize = 0; at < TOKENS * 4; at += 16) {
    v128.store(logits + at, f32x4.add(v128.load(logits + at), v128.load(bias + at)));
  }
  for (let i = count; i < TOKENS; i++) f32.store(logits + i * 4, -Infinity);
}

/** Writes the places in `chosen` whose token is one of this task's; returns how many there are. */
function findChosen(chosen: usize, chosenCount: usize, token: usize, count: usize, matches: usize): usize {
  let found: usize = 0;
  for (let i: usize = 0; i < chosenCount; i++) {
    if (load<u32>(chosen + i * 4) - token < count) store<u32>(matches + found++ * 4, i);
  }
  return found;
}

function largest(logits: usize): f32 {
  let top = v128.load(logits);
  for (let at: usize = 16; at < TOKENS * 4; at += 16) top = f32x4.pmax(top, v128.load(logits + at));
  return maxLanes(top);
}

/** max x and Σ exp(x − max) of the logits, into the PART of their row. */
function sumExp(logits: usize, part: usize): void {
  const top = largest(logits);
  let sum = f32x4.splat(0);
  for (let at: usize = 0; at < TOKENS * 4; at += 16) {
    sum = f32x4.add(sum, exp(f32x4.sub(v128.load(logits + at), f32x4.splat(top))));
  }
  f32.store(part, top);
  f32.store(part, sumLanes(sum), 4);
}

/** The best logit and its token, into the PART of their row. */
function findBest(logits: usize, token: usize, banned: usize, part: usize): void {
  if (banned - token < TOKENS) f32.store(logits + (banned - token) * 4, -Infinity);
  const best = largest(logits);
  let id: usize = 0;
  while (id < TOKENS - 1 && f32.load(logits + id * 4) !== best) id++;
  f32.store(part, best, 8);
  store<u32>(part, token + id, 12);
}

/**
 * Merges the parts of each row. Without `chosen`: y [_] gets the best token, the lower one of equals; with it the
 * logits in y [_, chosenCount] become log-probabilities.
 */
export function ctcMerge(
  parts: usize,
  partCount: usize,
  rows: usize,
  firstRow: usize,
  chosenCount: usize,
  y: usize,
): void {
  for (let row: usize = next(); row < rows; row = next()) {
    const mine: usize = parts + row * PART;
    const stride = rows * PART;
    if (chosenCount > 0) {
      const out: usize = y + (firstRow + row) * chosenCount * 4;
      const total = logSumExp(mine, partCount, stride);
      for (let i: usize = 0; i < chosenCount; i++) f32.store(out + i * 4, f32.load(out + i * 4) - total);
      continue;
    }
    let best: f32 = -Infinity;
    let id: usize = 0;
    for (let i: usize = 0; i < partCount; i++) {
      const part: usize = mine + i * stride;
      if (f32.load(part, 8) <= best) continue;
      best = f32.load(part, 8);
      id = load<u32>(part, 12);
    }
    f32.store(y + (firstRow + row) * 4, <f32>id);
  }
}

/** log Σ exp(x) over all parts of a row. */
function logSumExp(part: usize, count: usize, stride: usize): f32 {
  let top: f32 = -Infinity;
  for (let i: usize = 0; i < count; i++) top = max(top, f32.load(part + i * stride));
  let sum: f32 = 0;
  for (let i: usize = 0; i < count; i++) {
    sum += f32.load(part + i * stride, 4) * expOf(f32.load(part + i * stride) - top);
  }
  return top + Mathf.log(sum);
}
