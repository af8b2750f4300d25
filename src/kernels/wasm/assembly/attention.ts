import { packPanel, packTile } from "./pack";
import { exp, expOf, maxLanes, sumLanes } from "./simd";
import { next, thread } from "./threads";
import { PANEL, ROWS, tile } from "./tile";

/** Keys of a step. */
const KEYS: usize = 64;
const LOWEST: f32 = -3e38;

/**
 * softmax(q·kᵀ / √width) · v inside each clip: qkv [R, 3d] → y [R, d]. A running maximum and sum over steps of keys
 * (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"; Dao et al. 2022, "FlashAttention"), so
 * no [T, T] matrix, whatever the length. A task is `most` rows of one head of one clip; both products are tiles.
 *
 * @param blocks tasks that the longest clip needs for a head
 * @param most queries of a task: whole tiles
 * @param scratch `scratchBytes` a thread, see the pointers below
 */
export function attention(
  qkv: usize,
  offsets: usize,
  y: usize,
  clips: usize,
  heads: usize,
  blocks: usize,
  most: usize,
  width: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const d = heads * width;
  const stride = 12 * d;
  const panelCount = (width + PANEL - 1) / PANEL;
  const padded = panelCount * PANEL * 4; // bytes of a row of v in whole panels
  const queries = scratch + thread * scratchBytes; // [most/ROWS, width, ROWS]
  const keys = queries + most * width * 4; // [KEYS/8, width, 8]
  const values = keys + KEYS * width * 4; // [panelCount, KEYS, 8]
  const sums = values + KEYS * padded; // [most, 8·panelCount]
  const scores = sums + most * padded; // [ROWS, KEYS]
  const weights = scores + ROWS * KEYS * 4; // [KEYS, ROWS]
  const maxima = weights + ROWS * KEYS * 4; // [most]
  const totals = maxima + most * 4; // [most]

  for (let task: usize = next(); task < clips * heads * blocks; task = next()) {
    const clip = task / (heads * blocks);
    const head: usize = qkv + ((task / blocks) % heads) * width * 4;
    const end = load<u32>(offsets + clip * 4, 4);
    const firstKey = load<u32>(offsets + clip * 4);
    const firstQuery = firstKey + (task % blocks) * most;
    if (firstQuery >= end) continue;
    const count = min(most, end - firstQuery);

    const last = head + (end - 1) * stride;
    for (let row: usize = 0; row < count; row += ROWS) {
      packTile(head + (firstQuery + row) * stride, stride, last, width, queries + row * width * 4);
    }
    memory.fill(sums, 0, most * padded);
    memory.fill(totals, 0, most * 4);
    for (let i: usize = 0; i < most; i++) f32.store(maxima + i * 4, LOWEST);

    for (let key = firstKey; key < end; key += KEYS) {
      const keyCount = min(KEYS, end - key);
      for (let i: usize = 0; i < keyCount; i += PANEL) {
        packPanel(head + (key + i) * stride + d * 4, stride, last + d * 4, width, keys + i * width * 4);
      }
      packValues(head + key * stride + d * 8, stride, keyCount, panelCount, values);
      for (let row: usize = 0; row < count; row += ROWS) {
        for (let i: usize = 0; i < keyCount; i += PANEL) {
          tile(queries + row * width * 4, keys + i * width * 4, width, scores + i * 4, KEYS * 4, false);
        }
        for (let r: usize = 0; r < ROWS; r++) {
          const at = (row + r) * 4;
          softmaxStep(
            scores + r * KEYS * 4,
            keyCount,
            width,
            maxima + at,
            totals + at,
            sums + (row + r) * padded,
            padded,
          );
        }
        packTile(scores, KEYS * 4, scores + (ROWS - 1) * KEYS * 4, (keyCount + 3) & ~3, weights);
        for (let p: usize = 0; p < panelCount; p++) {
          tile(weights, values + p * KEYS * PANEL * 4, keyCount, sums + row * padded + p * PANEL * 4, padded, true);
        }
      }
    }

    for (let row: usize = 0; row < count; row++) {
      const out: usize = y + ((firstQuery + row) * d + ((task / blocks) % heads) * width) * 4;
      const factor = f32x4.splat(<f32>1 / f32.load(totals + row * 4));
      for (let at: usize = 0; at < width * 4; at += 16) {
        v128.store(out + at, f32x4.mul(v128.load(sums + row * padded + at), factor));
      }
    }
  }
}

/** Rows of v → panels [panelCount, KEYS, 8]. */
function packValues(v: usize, stride: usize, rows: usize, panelCount: usize, out: usize): void {
  for (let row: usize = 0; row < rows; row++) {
    for (let p: usize = 0; p < panelCount; p++) {
      const from = v + row * stride + p * PANEL * 4;
      const to = out + (p * KEYS + row) * PANEL * 4;
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
    }
  }
}

/**
 * One query and one step of keys: its scores q·k become exp(score/√width − maximum), and what was summed under the
 * old maximum is shrunk to the new one. The scores past `count`, up to a multiple of four, become 0.
 */
function softmaxStep(
  scores: usize,
  count: usize,
  width: usize,
  maximum: usize,
  total: usize,
  sums: usize,
  sumBytes: usize,
): void {
  const scale = f32x4.splat(<f32>1 / sqrt<f32>(<f32>width));
  const end = scores + ((count + 3) & ~3) * 4;
  for (let at = scores + count * 4; at < end; at += 4) f32.store(at, LOWEST);
  let top = f32x4.splat(LOWEST);
  for (let at = scores; at < end; at += 16) top = f32x4.pmax(top, v128.load(at));
  const before = f32.load(maximum);
  const after = max(before, maxLanes(f32x4.mul(top, scale)));
  f32.store(maximum, after);

  let sum = f32x4.splat(0);
  for (let at = scores; at < end; at += 16) {
    const weight = exp(f32x4.sub(f32x4.mul(v128.load(at), scale), f32x4.splat(after)));
    v128.store(at, weight);
    sum = f32x4.add(sum, weight);
  }
  const shrink = expOf(before - after);
  f32.store(total, f32.load(total) * shrink + sumLanes(sum));
  if (shrink === 1) return;
  for (const sumEnd = sums + sumBytes; sums < sumEnd; sums += 16) {
    v128.store(sums, f32x4.mul(v128.load(sums), f32x4.splat(shrink)));
  }
}
