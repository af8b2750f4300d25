import { copyRows, FINISH_BYTES, Finish, finishTo } from "./finish";
import { int8Rows, int8Tile, rowsFor } from "./int8";
import { packTile } from "./pack";
import { BLOCK, largestOfClip } from "./places";
import { quantizeRowBy } from "./quantizeRows";
import { next, thread } from "./threads";
import { PANEL, ROWS } from "./tile";
import { I16, INT8, multiply, panels, tileRows, Weight } from "./weight";

/** A convolution and the places of its input. */
@unmanaged
export class Geometry {
  height: i32;
  width: i32;
  channels: i32;
  kernelHeight: i32;
  kernelWidth: i32;
  strideHeight: i32;
  strideWidth: i32;
  dilation: i32;
  outHeight: i32;
  outWidth: i32;
  /** What quantizePlaces makes of it: blocks of a place, bytes of one block of a line, lines of a clip. */
  blocks: usize;
  run: usize;
  lines: usize;
}

/** Writes a Geometry where the kernels read it. */
export function layGeometry(
  geometry: Geometry,
  weight: Weight,
  height: i32,
  width: i32,
  channels: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  dilation: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  if (next() > 0) return;
  geometry.height = height;
  geometry.width = width;
  geometry.channels = channels;
  geometry.kernelHeight = kernelHeight;
  geometry.kernelWidth = kernelWidth;
  geometry.strideHeight = strideHeight;
  geometry.strideWidth = strideWidth;
  geometry.dilation = dilation;
  geometry.outHeight = outHeight;
  geometry.outWidth = outWidth;
  geometry.blocks = (<usize>channels * (weight.products === I16 ? 2 : 1)) / BLOCK;
  geometry.run = <usize>(width + 2 * dilation * (kernelWidth / 2)) * BLOCK;
  geometry.lines = <usize>(height + 2 * dilation * (kernelHeight / 2));
}

/**
 * y = relu?(patches of x · weightᵀ + bias + residual), y [rows, n]: see Backend.convolve. A task has a block of rows: their
 * patches, packed as tiles, stay in the second cache while all panels of the weight go by.
 *
 * @param maxima for an int8 weight the largest magnitudes of the clips, of `parts` parts each
 * @param block rows of a task, whole tiles
 * @param scratch `scratchBytes` a thread: a Finish, two tiles [ROWS, 8], patches [ROWS, k], the block's tiles (`tilesBytes`),
 *   an unpacked panel
 */
export function convolve(
  x: usize,
  weight: Weight,
  maxima: usize,
  parts: usize,
  bias: usize,
  relu: bool,
  residual: usize,
  y: usize,
  geometry: Geometry,
  rows: usize,
  n: usize,
  block: usize,
  tilesBytes: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const own = scratch + thread * scratchBytes;
  const finish = changetype<Finish>(own);
  const partial = own + FINISH_BYTES;
  const edge = partial + ROWS * PANEL * 4;
  const patches = edge + ROWS * PANEL * 4;
  const tiles = patches + ROWS * weight.k * 4;
  const unpacked = tiles + tilesBytes;
  const stride = n * 4;
  for (let task: usize = next(); task * block < rows; task = next()) {
    const first = task * block;
    const count = min(block, rows - first);
    packPatches(x, weight, maxima, parts, geometry, first, count, patches, tiles);
    for (let c: usize = 0; c < n; c += PANEL) {
      const w = panels(weight, c / PANEL, 1, unpacked);
      for (let row: usize = 0; row < count; ) {
        const tile = tileRows(weight, count - row);
        const at: usize = (first + row) * stride + c * 4;
        const added: usize = residual ? residual + at : 0;
        const whole = row + tile <= count && c + PANEL <= n;
        if (whole) finishTo(finish, y + at, stride, bias ? bias + c * 4 : 0, relu, added);
        else finishTo(finish, edge, PANEL * 4, bias ? bias + c * 4 : 0, false, 0);
        multiply(weight, tiles, row, tile, w, c / PANEL, partial, finish);
        if (!whole) copyRows(edge, min(tile, count - row), added, relu, y + at, stride, min(PANEL, n - c));
        row += tile;
      }
    }
  }
}

/** The patches of rows first … first + count − 1, as packRows or quantizeRows would lay them, but by their clip's scale. */
function packPatches(
  x: usize,
  weight: Weight,
  maxima: usize,
  parts: usize,
  geometry: Geometry,
  first: usize,
  count: usize,
  patches: usize,
  tiles: usize,
): void {
  const k = weight.k;
  const most: usize = weight.format === INT8 ? int8Rows(weight.products) : ROWS;
  const width = <usize>geometry.outWidth;
  let j = first % width;
  let i = (first / width) % <usize>geometry.outHeight;
  let clip = first / (width * <usize>geometry.outHeight);
  for (let row: usize = 0; row < count; row += most) {
    const rest = min(most, count - row);
    if (rest === ROWS && layLine(x, weight, geometry, clip, <i32>i, <i32>j, tiles + row * k * 4)) {
      j += ROWS; // not past the end of the line
      continue;
    }
    const tile = weight.format === INT8 ? int8Tile(weight, tiles, row) : 0;
    for (let r: usize = 0; r < rest; r++) {
      const patch = patches + r * k * 4;
      unfold(x, geometry, clip, <i32>i, <i32>j, patch, k);
      if (weight.format === INT8) {
        const most = largestOfClip(maxima, clip, parts);
        quantizeRowBy(most, patch, weight, tile + r * 4, rowsFor(count - row, int8Rows(weight.products)) * 4);
      }
      if (++j < width) continue;
      j = 0;
      if (++i < <usize>geometry.outHeight) continue;
      i = 0;
      clip++;
    }
    if (weight.format !== INT8) packTile(patches, k * 4, patches + (rest - 1) * k * 4, k, tiles + row * k * 4);
  }
}

/**
 * A tile [k, ROWS] of the patches of one channel from place (i, j) of the output on, where each step's numbers are neighbours in
 * x. False if they are not all inside one line.
 */
function layLine(x: usize, weight: Weight, geometry: Geometry, clip: usize, i: i32, j: i32, out: usize): bool {
  const left = j - geometry.kernelWidth / 2;
  if (weight.format === INT8 || geometry.channels !== 1 || geometry.strideWidth !== 1 || geometry.dilation !== 1)
    return false;
  if (left < 0 || left + <i32>ROWS + geometry.kernelWidth > geometry.width) return false;
  const end = out + weight.k * ROWS * 4;
  for (let a = 0; a < geometry.kernelHeight; a++) {
    const h = geometry.strideHeight * i + a - geometry.kernelHeight / 2;
    const line: usize = x + ((clip * geometry.height + h) * geometry.width + left) * 4;
    const inHeight = h >= 0 && h < geometry.height;
    for (let b = 0; b < geometry.kernelWidth; b++) {
      if (inHeight) copyFloats(out, line + b * 4, ROWS * 4);
      else clearFloats(out, ROWS * 4);
      out += ROWS * 4;
    }
  }
  clearFloats(out, end - out);
  return true;
}

/** The patch [k] of place (i, j) of the output; zeros outside the clip and behind. */
function unfold(x: usize, geometry: Geometry, clip: usize, i: i32, j: i32, out: usize, k: usize): void {
  const dilation = geometry.dilation;
  const bytes = <usize>geometry.channels * 4;
  const end = out + k * 4;
  const across = geometry.kernelWidth;
  const left = geometry.strideWidth * j - dilation * (across / 2);
  const together = dilation === 1 && left >= 0 && left + across <= geometry.width; // a line of the patch is one of x
  for (let a = 0; a < geometry.kernelHeight; a++) {
    const h = geometry.strideHeight * i + dilation * (a - geometry.kernelHeight / 2);
    const line: usize = x + (clip * geometry.height + h) * geometry.width * bytes;
    const inHeight = h >= 0 && h < geometry.height;
    if (together && inHeight) {
      copyFloats(out, line + left * bytes, across * bytes);
      out += across * bytes;
      continue;
    }
    for (let b = 0; b < across; b++) {
      const w = left + dilation * b;
      if (inHeight && w >= 0 && w < geometry.width) copyFloats(out, line + w * bytes, bytes);
      else clearFloats(out, bytes);
      out += bytes;
    }
  }
  clearFloats(out, end - out);
}

/** A few numbers: a call of memory.copy costs more than they do. */
function copyFloats(out: usize, from: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(out + at, v128.load(from + at));
  for (; at < bytes; at += 4) f32.store(out + at, f32.load(from + at));
}

function clearFloats(out: usize, bytes: usize): void {
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(out + at, f32x4.splat(0));
  for (; at < bytes; at += 4) f32.store(out + at, 0);
}
