import { FINISH_BYTES, Finish, finishTo } from "./finish";
import { exp, expOf, maxLanes, sumLanes } from "./simd";
import { next, thread } from "./threads";
import { PANEL, ROWS } from "./tile";
import { multiply, panelBytes, panels, tileRows, Weight } from "./weight";

/** Tokens of a task. */
const TOKENS: usize = 64;
/** What a task leaves of a row's logits: max x, Σ exp(x − max). */
const PART: usize = 8;
/**
 * How far below a row's best logit those of a task may lie, in nats, to be left out of its Σ exp: all of 65 536 tokens
 * there would change a log-probability by 65 536 · e⁻²⁶ = 3.3e-7, less than a step of f32 at 4.
 */
const NEGLIGIBLE: f32 = 26;
/** An entry of a list of best tokens: logit, token. */
const ENTRY: usize = 8;

/**
 * The CTC head on x (packed as for `linear`) without its logits in memory: each task makes the logits of 64 tokens, a
 * tile of rows at a time, and leaves a PART of each row in parts [⌈vocab/64⌉, rows].
 *
 * With `chosen` not 0, the logits of the tokens chosen [chosenCount] are kept as well, in y [_, chosenCount] from row
 * `firstRow` on; without, each thread keeps the k best of those it made for each row, in lists [threads, rows, k]. With
 * `only` no other logits are made than those of the chosen tokens and their neighbours, and no parts.
 *
 * @param scratch `scratchBytes` a thread: logits [ROWS, 64], a Finish, a tile [ROWS, 8], the chosen columns [chosenCount], unpacked weights [8, k, 8]
 */
export function ctc(
  x: usize,
  weight: Weight,
  bias: usize,
  parts: usize,
  rows: usize,
  vocab: usize,
  chosen: usize,
  chosenCount: usize,
  only: bool,
  firstRow: usize,
  y: usize,
  banned: usize,
  lists: usize,
  k: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const best = lists + thread * rows * k * ENTRY;
  for (let i: usize = 0; i < rows * k; i++) {
    f32.store(best + i * ENTRY, -Infinity);
    store<u32>(best + i * ENTRY, 0, 4);
  }
  const logits = scratch + thread * scratchBytes;
  const finish = changetype<Finish>(logits + ROWS * TOKENS * 4);
  const partial = changetype<usize>(finish) + FINISH_BYTES;
  const matches = partial + ROWS * PANEL * 4;
  const unpacked = matches + ((chosenCount * 4 + 15) & ~15);
  for (let task: usize = next(); task * TOKENS < vocab; task = next()) {
    const token = task * TOKENS;
    const count = min(TOKENS, vocab - token);
    const panelCount = (count + PANEL - 1) / PANEL;
    const matchCount = findChosen(chosen, chosenCount, token, count, matches);
    if (only && matchCount === 0) continue;
    let wanted: u32 = only ? 0 : -1; // a bit for each panel
    for (let m: usize = 0; m < matchCount; m++) {
      wanted |= 1 << ((load<u32>(chosen + load<u32>(matches + m * 4) * 4) - <u32>token) / PANEL);
    }
    const w = panels(weight, token / PANEL, panelCount, unpacked);
    let step: usize = 0;
    for (let row: usize = 0; row < rows; row += step) {
      step = tileRows(weight, rows - row);
      for (let p: usize = 0; p < panelCount; p++) {
        if (((wanted >> <u32>p) & 1) === 0) continue;
        finishTo(finish, logits + p * PANEL * 4, TOKENS * 4, bias + (token + p * PANEL) * 4, false, 0);
        multiply(weight, x, row, step, w + p * panelBytes(weight), token / PANEL + p, partial, finish);
      }
      for (let r: usize = 0; r < min(step, rows - row); r++) {
        const mine: usize = logits + r * TOKENS * 4;
        const out: usize = y + (firstRow + row + r) * chosenCount * 4;
        for (let m: usize = 0; m < matchCount; m++) {
          const column: usize = load<u32>(matches + m * 4);
          const chosenToken: usize = load<u32>(chosen + column * 4);
          f32.store(out + column * 4, f32.load(mine + (chosenToken - token) * 4));
        }
        if (only) continue;
        for (let i = count; i < TOKENS; i++) f32.store(mine + i * 4, -Infinity);
        const part: usize = parts + (task * rows + row + r) * PART;
        const top = sumExp(mine, k > 0 ? f32.load(best + (row + r) * k * ENTRY) - NEGLIGIBLE : -Infinity, part);
        if (k > 0) keepBest(mine, top, token, banned, best + (row + r) * k * ENTRY, k);
      }
    }
  }
}

/** Writes the places in `chosen` whose token is one of this task's; returns how many there are. */
function findChosen(chosen: usize, chosenCount: usize, token: usize, count: usize, matches: usize): usize {
  let found: usize = 0;
  for (let i: usize = 0; i < chosenCount; i++) {
    if (load<u32>(chosen + i * 4) - token < count) store<u32>(matches + found++ * 4, i);
  }
  return found;
}

/**
 * max x and Σ exp(x − max) of the logits, into the PART of their row; returns max x. If none reaches `floor` the sum is
 * left out, and 0 in its place.
 */
function sumExp(logits: usize, floor: f32, part: usize): f32 {
  let most = v128.load(logits);
  for (let at: usize = 16; at < TOKENS * 4; at += 16) most = f32x4.pmax(most, v128.load(logits + at));
  const top = maxLanes(most);
  f32.store(part, top);
  f32.store(part, 0, 4);
  if (top < floor) return top;
  let sum = f32x4.splat(0);
  for (let at: usize = 0; at < TOKENS * 4; at += 16) {
    sum = f32x4.add(sum, exp(f32x4.sub(v128.load(logits + at), f32x4.splat(top))));
  }
  f32.store(part, sumLanes(sum), 4);
  return top;
}

/** Puts those of the logits that are among a row's k best into its list. `top` is the largest of them. */
function keepBest(logits: usize, top: f32, token: usize, banned: usize, list: usize, k: usize): void {
  const last = list + (k - 1) * ENTRY;
  if (top <= f32.load(last)) return;
  for (let i: usize = 0; i < TOKENS; i++) {
    const logit = f32.load(logits + i * 4);
    if (logit > f32.load(last) && token + i !== banned) insert(list, k, logit, token + i);
  }
}

/** Puts a token into its place in a list, behind those of the same logit and a lower id; the last one drops out. */
function insert(list: usize, k: usize, logit: f32, token: u32): void {
  let at = list + (k - 1) * ENTRY;
  for (; at > list; at -= ENTRY) {
    const before = f32.load(at - ENTRY);
    if (before > logit || (before === logit && load<u32>(at - ENTRY, 4) < token)) break;
    store<u64>(at, load<u64>(at - ENTRY));
  }
  f32.store(at, logit);
  store<u32>(at, token, 4);
}

/** Makes the logits in y [_, columns] log-probabilities, by log Σ exp(logits) of all rows in `logSums` if that is not 0. */
export function ctcLogProbs(
  parts: usize,
  partCount: usize,
  rows: usize,
  firstRow: usize,
  columns: usize,
  logSums: usize,
  y: usize,
): void {
  for (let row: usize = next(); row < rows; row = next()) {
    const out: usize = y + (firstRow + row) * columns * 4;
    const total = logSums
      ? f32.load(logSums + (firstRow + row) * 4)
      : logSumExp(parts + row * PART, partCount, rows * PART);
    for (let i: usize = 0; i < columns; i++) f32.store(out + i * 4, f32.load(out + i * 4) - total);
  }
}

/** Merges the threads' lists of each row into the first one's, and that into y [_, 2k + 1]: tokens, log-probabilities, log Σ exp. */
export function ctcTopK(
  parts: usize,
  partCount: usize,
  rows: usize,
  firstRow: usize,
  lists: usize,
  threads: usize,
  k: usize,
  y: usize,
): void {
  for (let row: usize = next(); row < rows; row = next()) {
    const best = lists + row * k * ENTRY;
    const last = best + (k - 1) * ENTRY;
    for (let other: usize = 1; other < threads; other++) {
      const list = best + other * rows * k * ENTRY;
      for (let i: usize = 0; i < k; i++) {
        const logit = f32.load(list + i * ENTRY);
        const token = load<u32>(list + i * ENTRY, 4);
        if (logit < f32.load(last) || (logit === f32.load(last) && token >= load<u32>(last, 4))) break;
        insert(best, k, logit, token);
      }
    }
    const total = logSumExp(parts + row * PART, partCount, rows * PART);
    const out = y + (firstRow + row) * (2 * k + 1) * 4;
    f32.store(out + 2 * k * 4, total);
    for (let i: usize = 0; i < k; i++) {
      f32.store(out + i * 4, <f32>load<u32>(best + i * ENTRY, 4));
      f32.store(out + (k + i) * 4, f32.load(best + i * ENTRY) - total);
    }
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
