import { Geometry } from "./convolve";
import { copyRows, FINISH_BYTES, Finish, finishTo } from "./finish";
import { dot, Four, finishRow, OfI16, OfPairs, OfQuads, ONES, Six, Two } from "./int8Tile";
import { BLOCK, largestOfClip } from "./places";
import { scaleBy } from "./quantizeRows";
import { next, thread } from "./threads";
import { PANEL, ROWS } from "./tile";
import { headBytes, PAIRS, panels, QUADS, scalesOf, startsOf, Weight } from "./weight";

/** Places between two neighbours of the output, as types: `tileOf` is compiled once for each. */
class StrideOne {}
class StrideTwo {}

/**
 * finish(f32(f32(Σ q·v + starts) · scales) · scale) for the places of a tile, from q on, and a panel of 8 columns: tap by tap
 * of the kernel, block by block of the channels.
 */
function tileOf<T, R, S>(
  q: usize,
  geometry: Geometry,
  v: usize,
  starts: usize,
  scales: usize,
  scale: f32,
  finish: Finish,
): void {
  const pitch: usize = idof<S>() === idof<StrideOne>() ? BLOCK : 2 * BLOCK;
  const run = geometry.run;
  const blocks = geometry.blocks;
  const tap = <usize>geometry.dilation * BLOCK;
  const line = <usize>geometry.dilation * blocks * run;
  const rows: usize = idof<R>() === idof<Six>() ? 6 : idof<R>() === idof<Four>() ? 4 : 2;
  const ones = v128.load(ONES);
  let c00 = v128.load(starts);
  let c01 = v128.load(starts, 16);
  let c10 = c00;
  let c11 = c01;
  let c20 = c00;
  let c21 = c01;
  let c30 = c00;
  let c31 = c01;
  let c40 = c00;
  let c41 = c01;
  let c50 = c00;
  let c51 = c01;
  for (let a = geometry.kernelHeight; a > 0; a--, q += line) {
    let places = q;
    for (let b = geometry.kernelWidth; b > 0; b--, places += tap) {
      let start = places;
      for (let block = blocks; block > 0; block--, start += run) {
        let at = start;
        for (const end = v + BLOCK * PANEL; v < end; v += 32, at += 4) {
          const w0 = v128.load(v);
          const w1 = v128.load(v, 16);
          let x = v128.load32_splat(at);
          c00 = dot<T>(x, w0, ones, c00);
          c01 = dot<T>(x, w1, ones, c01);
          x = v128.load32_splat(at, 1 * pitch);
          c10 = dot<T>(x, w0, ones, c10);
          c11 = dot<T>(x, w1, ones, c11);
          if (rows > 2) {
            x = v128.load32_splat(at, 2 * pitch);
            c20 = dot<T>(x, w0, ones, c20);
            c21 = dot<T>(x, w1, ones, c21);
            x = v128.load32_splat(at, 3 * pitch);
            c30 = dot<T>(x, w0, ones, c30);
            c31 = dot<T>(x, w1, ones, c31);
          }
          if (rows > 4) {
            x = v128.load32_splat(at, 4 * pitch);
            c40 = dot<T>(x, w0, ones, c40);
            c41 = dot<T>(x, w1, ones, c41);
            x = v128.load32_splat(at, 5 * pitch);
            c50 = dot<T>(x, w0, ones, c50);
            c51 = dot<T>(x, w1, ones, c51);
          }
        }
      }
    }
  }
  let out = finish.out;
  let residual = finish.residual;
  const stride = finish.stride;
  const residualStride = finish.residualStride;
  const s0 = v128.load(scales);
  const s1 = v128.load(scales, 16);
  const own = f32x4.splat(scale);
  finishRow(out, c00, c01, s0, s1, own, finish, residual);
  out += stride;
  residual += residualStride;
  finishRow(out, c10, c11, s0, s1, own, finish, residual);
  if (rows > 2) {
    out += stride;
    residual += residualStride;
    finishRow(out, c20, c21, s0, s1, own, finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, c30, c31, s0, s1, own, finish, residual);
  }
  if (rows > 4) {
    out += stride;
    residual += residualStride;
    finishRow(out, c40, c41, s0, s1, own, finish, residual);
    out += stride;
    residual += residualStride;
    finishRow(out, c50, c51, s0, s1, own, finish, residual);
  }
}

/** tileOf with the products that the weight asks for, for 2, 4 or 6 rows. */
function placesTile<S>(
  rows: usize,
  weight: Weight,
  q: usize,
  geometry: Geometry,
  v: usize,
  starts: usize,
  scales: usize,
  scale: f32,
  finish: Finish,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (weight.products === QUADS) {
      if (rows === 6) tileOf<OfQuads, Six, S>(q, geometry, v, starts, scales, scale, finish);
      else if (rows === 4) tileOf<OfQuads, Four, S>(q, geometry, v, starts, scales, scale, finish);
      else tileOf<OfQuads, Two, S>(q, geometry, v, starts, scales, scale, finish);
      return;
    }
    if (weight.products === PAIRS) {
      if (rows === 4) tileOf<OfPairs, Four, S>(q, geometry, v, starts, scales, scale, finish);
      else tileOf<OfPairs, Two, S>(q, geometry, v, starts, scales, scale, finish);
      return;
    }
  }
  if (rows === 4) tileOf<OfI16, Four, S>(q, geometry, v, starts, scales, scale, finish);
  else tileOf<OfI16, Two, S>(q, geometry, v, starts, scales, scale, finish);
}

/**
 * Backend.convolve of what quantizePlaces made, without patches: the tiles read places where they lie. A task has `lines`
 * lines of the output and `together` panels of columns. For weights with a scale a column, a multiple of 32 channels and a stride
 * of 1 or 2 along a line.
 *
 * @param scratch `scratchBytes` a thread: a Finish, a tile [6, 8], an unpacked panel
 */
export function convolveInt8(
  q: usize,
  weight: Weight,
  maxima: usize,
  parts: usize,
  bias: usize,
  relu: bool,
  residual: usize,
  y: usize,
  geometry: Geometry,
  clips: usize,
  n: usize,
  lines: usize,
  together: usize,
  scratch: usize,
  scratchBytes: usize,
): void {
  const own = scratch + thread * scratchBytes;
  const finish = changetype<Finish>(own);
  const edge = own + FINISH_BYTES;
  const unpacked = edge + 6 * PANEL * 4;
  const line = geometry.blocks * geometry.run;
  const pitch = <usize>geometry.strideWidth * BLOCK;
  const height = <usize>geometry.outHeight;
  const width = <usize>geometry.outWidth;
  const most: usize = weight.products === QUADS ? min(ROWS, 6) : 4;
  const stride = n * 4;
  const across = (n + together * PANEL - 1) / (together * PANEL);
  const blocks = (clips * height + lines - 1) / lines;
  let scaled: usize = -1; // the clip whose scale it is
  let scale: f32 = 0;
  for (let task: usize = next(); task < blocks * across; task = next()) {
    const first = (task / across) * lines;
    const last = min(first + lines, clips * height);
    const column = (task % across) * together * PANEL;
    for (let c = column; c < min(n, column + together * PANEL); c += PANEL) {
      const w = panels(weight, c / PANEL, 1, unpacked);
      const starts = startsOf(weight, w, c / PANEL);
      const scales = scalesOf(weight, w, c / PANEL);
      const v = w + headBytes(weight);
      for (let i = first; i < last; i++) {
        const clip = i / height;
        if (clip !== scaled) scale = scaleBy(largestOfClip(maxima, clip, parts), weight);
        scaled = clip;
        let from: usize = q + (clip * geometry.lines + (i % height) * <usize>geometry.strideHeight) * line;
        for (let j: usize = 0; j < width; ) {
          const rest = width - j;
          // Two fours take less time than six and two.
          const rows: usize = rest > 8 || rest === 5 || rest === 6 ? most : rest > 2 ? 4 : 2;
          const at = (i * width + j) * stride + c * 4;
          const added: usize = residual ? residual + at : 0;
          const whole = rows <= rest && c + PANEL <= n;
          if (whole) finishTo(finish, y + at, stride, bias ? bias + c * 4 : 0, relu, added);
          else finishTo(finish, edge, PANEL * 4, bias ? bias + c * 4 : 0, false, 0);
          if (geometry.strideWidth === 1) {
            placesTile<StrideOne>(rows, weight, from, geometry, v, starts, scales, scale, finish);
          } else placesTile<StrideTwo>(rows, weight, from, geometry, v, starts, scales, scale, finish);
          if (!whole) copyRows(edge, min(rows, rest), added, relu, y + at, stride, min(PANEL, n - c));
          from += rows * pitch;
          j += rows;
        }
      }
    }
  }
}
