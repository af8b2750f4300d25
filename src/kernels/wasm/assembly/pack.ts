import { normalise } from "./layerNorm";
import { rectify } from "./relu";
import { next, thread } from "./threads";
import { PANEL, ROWS } from "./tile";

/** Four rows a [k] → columns out[i, 0…3], rows of `out` being `stride` bytes apart; k % 4 = 0. */
export function transpose4(a0: usize, a1: usize, a2: usize, a3: usize, k: usize, out: usize, stride: usize): void {
  for (const end = a0 + k * 4; a0 < end; a0 += 16) {
    const r0 = v128.load(a0);
    const r1 = v128.load(a1);
    const r2 = v128.load(a2);
    const r3 = v128.load(a3);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    v128.store(out, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
    out += stride;
    v128.store(out, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
    out += stride;
    v128.store(out, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
    out += stride;
    v128.store(out, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
    out += stride;
    a1 += 16;
    a2 += 16;
    a3 += 16;
  }
}

/** Two rows a [k] → columns out[i, 0…1]; k % 4 = 0. */
function transpose2(a0: usize, a1: usize, k: usize, out: usize, stride: usize): void {
  for (const end = a0 + k * 4; a0 < end; a0 += 16) {
    const r0 = v128.load(a0);
    const r1 = v128.load(a1);
    const low = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const high = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    v128.store64_lane(out, low, 0);
    out += stride;
    v128.store64_lane(out, low, 1);
    out += stride;
    v128.store64_lane(out, high, 0);
    out += stride;
    v128.store64_lane(out, high, 1);
    out += stride;
    a1 += 16;
  }
}

/** ROWS rows a [k], `stride` bytes apart, → out [k, ROWS]. Rows past `last` repeat it. */
export function packTile(first: usize, stride: usize, last: usize, k: usize, out: usize): void {
  packTileOf(ROWS, first, stride, last, k, out);
}

/** The same for an even number of rows. */
export function packTileOf(rows: usize, first: usize, stride: usize, last: usize, k: usize, out: usize): void {
  let row = first;
  for (const end = out + (rows & ~3) * 4; out < end; out += 16) {
    const a1 = min(row + stride, last);
    const a2 = min(a1 + stride, last);
    const a3 = min(a2 + stride, last);
    transpose4(row, a1, a2, a3, k, out, rows * 4);
    row = min(a3 + stride, last);
  }
  if (rows % 4) transpose2(row, min(row + stride, last), k, out, rows * 4);
}

/** Eight rows a [k], `stride` bytes apart, → the panel out [k, 8]. Rows past `last` repeat it. */
export function packPanel(first: usize, stride: usize, last: usize, k: usize, out: usize): void {
  for (let half: usize = 0; half < 2; half++) {
    const a1 = min(first + stride, last);
    const a2 = min(a1 + stride, last);
    const a3 = min(a2 + stride, last);
    transpose4(first, a1, a2, a3, k, out + half * 16, PANEL * 4);
    first = min(a3 + stride, last);
  }
}

/**
 * Rows firstRow … firstRow + rows − 1 of x [R, k] → tiles [⌈rows/ROWS⌉, k, ROWS], as `tile` reads them. With `gamma`
 * and `beta` (0 is none) they are layer-normalised on the way, in `scratch` [ROWS, k] of each thread; with a `width` they
 * are the first k of so many columns, and get ReLU with that scale and shift.
 */
export function packRows(
  x: usize,
  firstRow: usize,
  gamma: usize,
  beta: usize,
  out: usize,
  rows: usize,
  k: usize,
  scratch: usize,
  width: usize,
): void {
  const stride = k * 4;
  const pitch = width ? width * 4 : stride;
  const normalised = scratch + thread * ROWS * stride;
  for (let task = next(); task * ROWS < rows; task = next()) {
    const row = task * ROWS;
    const count = min(ROWS, rows - row);
    let first = x + (firstRow + row) * pitch;
    if (gamma) {
      for (let r: usize = 0; r < count; r++) {
        if (width) rectify(first + r * pitch, gamma, beta, normalised + r * stride, k);
        else normalise(first + r * stride, gamma, beta, normalised + r * stride, k);
      }
      first = normalised;
    }
    packTile(first, stride, first + (count - 1) * stride, k, out + row * stride);
  }
}

/**
 * Weight [n, k] → panels [⌈n/8⌉, k, 8] in the same place, by way of `scratch` [8, k] of each thread. Elements have 4
 * bytes, or 2 with `half`.
 */
export function packWeight(weight: usize, half: bool, n: usize, k: usize, scratch: usize): void {
  const stride = k * (half ? 2 : 4);
  const bytes = PANEL * stride;
  const rows = scratch + thread * bytes;
  for (let task: usize = next(); task * PANEL < n; task = next()) {
    const panel: usize = weight + task * bytes;
    memory.copy(rows, panel, bytes);
    if (half) {
      for (let i: usize = 0; i < k; i++) {
        for (let c: usize = 0; c < PANEL; c++) {
          store<u16>(panel + (i * PANEL + c) * 2, load<u16>(rows + c * stride + i * 2));
        }
      }
    } else {
      packPanel(rows, stride, rows + bytes - stride, k, panel);
    }
  }
}
