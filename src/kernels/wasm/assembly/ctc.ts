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
 * With `chosen` not 0, the logits of the tokens chosen [clips, chosenCount] are kept as well: y [R, chosenCount] gets
 * them in the rows of their clip. Row 0 here is row `firstRow` of the batch.
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
  offsets: usize,
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
    let clips: usize = 0; // passed so far, the row's own included
    let clipEnd: usize = 0;
    let tokens: usize = 0; // the chosen ones of the row's clip
    let matchCount: usize = 0;
    for (let row: usize = 0; row < rows; row += step) {
      multiply(weight, x, row, w, token / PANEL, panelCount, logits, TOKENS * 4);
      for (let r: usize = 0; r < min(step, rows - row); r++) {
        const mine: usize = logits + r * TOKENS * 4;
        addBias(mine, bias + token * 4, count);
        if (chosen) {
          while (firstRow + row + r >= clipEnd) {
            tokens = chosen + clips++ * chosenCount * 4;
            clipEnd = load<u32>(offsets + clips * 4);
            matchCount = findChosen(tokens, chosenCount, token, count, matches);
          }
          const out: usize = y + (firstRow + row + r) * chosenCount * 4;
          for (let m: usize = 0; m < matchCount; m++) {
            const column: usize = load<u32>(matches + m * 4);
            const chosenToken: usize = load<u32>(tokens + column * 4);
            f32.store(out + column * 4, f32.load(mine + (chosenToken - token) * 4));
          }
        }
        reduce(mine, token, banned, parts + (task * rows + row + r) * PART);
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

/** The PART of one row. */
function reduce(logits: usize, token: usize, banned: usize, part: usize): void {
  const top = largest(logits);
  let sum = f32x4.splat(0);
  for (let at: usize = 0; at < TOKENS * 4; at += 16) {
    sum = f32x4.add(sum, exp(f32x4.sub(v128.load(logits + at), f32x4.splat(top))));
  }
  let best = top;
  if (banned - token < TOKENS) {
    f32.store(logits + (banned - token) * 4, -Infinity);
    best = largest(logits);
  }
  let id: usize = 0;
  while (id < TOKENS - 1 && f32.load(logits + id * 4) !== best) id++;
  f32.store(part, top);
  f32.store(part, sumLanes(sum), 4);
  f32.store(part, best, 8);
  store<u32>(part, token + id, 12);
}

/**
 * Merges the parts of each row. Without `chosen`: y [R, 2] gets the best token (the lower one of equals) and its
 * probability; with it the logits in y [R, chosenCount] become log-probabilities.
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
    let top: f32 = -Infinity;
    let best: f32 = -Infinity;
    let id: usize = 0;
    for (let i: usize = 0; i < partCount; i++) {
      const part: usize = parts + (i * rows + row) * PART;
      top = max(top, f32.load(part));
      if (f32.load(part, 8) > best) {
        best = f32.load(part, 8);
        id = load<u32>(part, 12);
      }
    }
    let sum: f32 = 0;
    for (let i: usize = 0; i < partCount; i++) {
      const part: usize = parts + (i * rows + row) * PART;
      sum += f32.load(part, 4) * expOf(f32.load(part) - top);
    }
    if (chosenCount === 0) {
      const out: usize = y + (firstRow + row) * 8;
      f32.store(out, <f32>id);
      f32.store(out, expOf(best - top) / sum, 4);
    } else {
      const logSum = top + Mathf.log(sum);
      const out: usize = y + (firstRow + row) * chosenCount * 4;
      for (let i: usize = 0; i < chosenCount; i++) {
        f32.store(out + i * 4, f32.load(out + i * 4) - logSum);
      }
    }
  }
}
