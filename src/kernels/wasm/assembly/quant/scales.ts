import { next } from "../threads";
import { Grid, nearest, scaleOf } from "./grid";

/** Scales that are tried: those for which this share of the largest weight still fits. */
const CLIPS: usize = memory.data<f64>([1.1, 1, 0.93, 0.86, 0.79, 0.72, 0.65, 0.58]);
const CLIP_COUNT: usize = 8;
const MAX_F16: f32 = 65504;

/** x as f16 stores it, ties to even; never 0. */
export function toF16(x: f32): f32 {
  const bits = reinterpret<u32>(x);
  const sign = bits & 0x80000000;
  const size = reinterpret<f32>(bits & 0x7fffffff);
  let rounded: f32;
  if (size < reinterpret<f32>(0x38800000)) {
    rounded = f32.nearest(size * 16777216) / 16777216; // a multiple of 2⁻²⁴
    if (rounded === 0) return reinterpret<f32>(0x33800000);
  } else {
    const magnitude = bits & 0x7fffffff;
    rounded = reinterpret<f32>((magnitude + 0xfff + ((magnitude >> 13) & 1)) & ~0x1fff);
    if (rounded > MAX_F16) rounded = Infinity;
  }
  return reinterpret<f32>(reinterpret<u32>(rounded) | sign);
}

/**
 * The scale of each group of the weights [n, k]: the largest weight falls on the level of the largest magnitude; with
 * `search` the best of eight clips of that range, after least squares (uniform.ts of src/quant has the formulas).
 *
 * @param mirrored the levels are their own mirror image: negative scales are not tried
 * @param uniform levels are whole numbers, one after another
 * @param half scales are rounded to f16
 */
export function fitScales(grid: Grid, weight: usize, search: bool, mirrored: bool, uniform: bool, half: bool): void {
  const top = f32.load(grid.levels + (grid.count - 1) * 4);
  const bottom = f32.load(grid.levels);
  const edge = -bottom >= top ? bottom : top;
  for (let row = next(); row < grid.n; row = next()) {
    for (let start: usize = 0; start < grid.k; start += grid.groupSize) {
      const first = weight + (row * grid.k + start) * 4;
      const end = first + min(grid.groupSize, grid.k - start) * 4;
      let extreme: f32 = 0;
      for (let at = first; at < end; at += 4) {
        if (abs(f32.load(at)) > abs(extreme)) extreme = f32.load(at);
      }
      let found: f64 = <f64>extreme / <f64>edge;
      if (bottom === -top) found = abs(found);
      if (extreme === 0)
        found = 1.0 / 16777216; // NO_SCALE of uniform.ts
      else if (search) found = searchScale(grid, first, end, found, mirrored, uniform, bottom, top);
      f32.store(scaleOf(grid, row, start), half ? toF16(<f32>found) : <f32>found);
    }
  }
}

function searchScale(
  grid: Grid,
  first: usize,
  end: usize,
  scale: f64,
  mirrored: bool,
  uniform: bool,
  bottom: f32,
  top: f32,
): f64 {
  let best: f64 = 0;
  let found = scale;
  for (let clip: usize = 0; clip < CLIP_COUNT; clip++) {
    for (let sign: f64 = 1; sign >= (mirrored ? 1 : -1); sign -= 2) {
      const inverse = <f32>(sign / (scale * f64.load(CLIPS + clip * 8)));
      let dot: f64 = 0;
      let square: f64 = 0;
      if (uniform) {
        const inverses = f32x4.splat(inverse);
        const halves = f32x4.splat(<f32>0.5 - bottom);
        let dots = f32x4.splat(0);
        let squares = f32x4.splat(0);
        for (let at = first; at < end; at += 16) {
          const w = v128.load(at);
          const code = f32x4.floor(f32x4.add(f32x4.mul(w, inverses), halves));
          const value = f32x4.max(
            f32x4.min(f32x4.add(code, f32x4.splat(bottom)), f32x4.splat(top)),
            f32x4.splat(bottom),
          );
          dots = f32x4.add(dots, f32x4.mul(w, value));
          squares = f32x4.add(squares, f32x4.mul(value, value));
        }
        dot = sum(dots);
        square = sum(squares);
      } else {
        for (let at = first; at < end; at += 4) {
          const w = f32.load(at);
          const value = f32.load(grid.levels + nearest(grid.levels, grid.count, w * inverse) * 4);
          dot += <f64>w * <f64>value;
          square += <f64>value * <f64>value;
        }
      }
      // The error that is left is Σw² − dot²/square.
      if (square > 0 && (dot * dot) / square > best) {
        best = (dot * dot) / square;
        found = dot / square;
      }
    }
  }
  return found;
}

function sum(v: v128): f64 {
  return (
    <f64>f32x4.extract_lane(v, 0) +
    <f64>f32x4.extract_lane(v, 1) +
    <f64>f32x4.extract_lane(v, 2) +
    <f64>f32x4.extract_lane(v, 3)
  );
}

/** Parts that the rows are divided into, so that sums do not depend on the number of threads. */
const PARTS: usize = 16;

/** out[part] = the least and the largest of w / scale, f32 [PARTS, 2]. */
export function scaledExtent(grid: Grid, weight: usize, out: usize): void {
  for (let part = next(); part < PARTS; part = next()) {
    let low: f32 = Infinity;
    let high: f32 = -Infinity;
    for (let row = (grid.n * part) / PARTS; row < (grid.n * (part + 1)) / PARTS; row++) {
      for (let start: usize = 0; start < grid.k; start += grid.groupSize) {
        const scale = f32.load(scaleOf(grid, row, start));
        const first = weight + (row * grid.k + start) * 4;
        for (let at = first; at < first + min(grid.groupSize, grid.k - start) * 4; at += 4) {
          const x = f32.load(at) / scale;
          low = min(low, x);
          high = max(high, x);
        }
      }
    }
    f32.store(out + part * 8, low);
    f32.store(out + part * 8, high, 4);
  }
}

/**
 * Counts x = w / scale into `bins` of equal width, weighted with h = scale² · importance[i]: Σh, Σh·x and Σh·x² of each.
 *
 * @param range f64 [2]: the least x; bins by the width of all
 * @param importance f32 [k]
 * @param out f64 [PARTS, 3, bins]
 */
export function scaledHistogram(
  grid: Grid,
  weight: usize,
  importance: usize,
  range: usize,
  bins: usize,
  out: usize,
): void {
  const low = f64.load(range);
  const perBin = f64.load(range, 8);
  for (let part = next(); part < PARTS; part = next()) {
    const mass = out + part * 3 * bins * 8;
    memory.fill(mass, 0, 3 * bins * 8);
    for (let row = (grid.n * part) / PARTS; row < (grid.n * (part + 1)) / PARTS; row++) {
      for (let i: usize = 0; i < grid.k; i++) {
        const scale = f32.load(scaleOf(grid, row, i));
        const x = f32.load(weight + (row * grid.k + i) * 4) / scale;
        const h: f64 = <f32>(<f64>scale * <f64>scale * <f64>f32.load(importance + i * 4));
        const at = mass + min(bins - 1, <usize>((<f64>x - low) * perBin)) * 8;
        f64.store(at, f64.load(at) + h);
        f64.store(at + bins * 8, f64.load(at + bins * 8) + h * <f64>x);
        f64.store(at + 2 * bins * 8, f64.load(at + 2 * bins * 8) + h * <f64>x * <f64>x);
      }
    }
  }
}
