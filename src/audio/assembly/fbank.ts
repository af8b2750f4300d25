import { points, power, transform } from "./fft";

/** See ../fbank.ts. */
const PRE_EMPHASIS: f64 = 0.97;
const ENERGY_FLOOR: f64 = 1.1920928955078125e-7;

/** f64 [512]: the window, half the scale of PCM in it, since the transform's bins are twice as large. */
export const window: usize = memory.data(512 * 8, 16);

/**
 * The frames of `fbank` in f64, as there up to the order of sums, two at a time: each in a lane, so that a frame's
 * numbers do not depend on the frames beside it.
 *
 * @param pcm f32 [count], count = (frames − 1)·shift + size
 * @param emphasised room for f64 [count]
 * @param size samples of a window: from 256 to 512
 * @param filters of each mel: its first bin and its number of weights, u32, then the weights, f64
 * @param out f32 [frames, mels]
 */
export function fbank(
  pcm: usize,
  count: usize,
  emphasised: usize,
  size: usize,
  shift: usize,
  frames: usize,
  filters: usize,
  mels: usize,
  out: usize,
): void {
  emphasise(pcm, count, emphasised);
  for (let t: usize = 0; t < frames; t += 2) {
    const next = min(t + 1, frames - 1); // the last frame may be both
    windowed(pcm + t * shift * 4, emphasised + t * shift * 8, (next - t) * shift, size);
    transform();
    logEnergies(filters, mels, out + t * mels * 4, out + next * mels * 4);
  }
}

/** out[i] = x[i] − 0.97·x[i−1]; a window's first sample has to be made anew. */
function emphasise(pcm: usize, count: usize, out: usize): void {
  const factor = f64x2.splat(PRE_EMPHASIS);
  let i: usize = 1;
  for (; i + 4 <= count; i += 4) {
    const x = v128.load(pcm + i * 4);
    const before = v128.load(pcm + i * 4 - 4);
    v128.store(out + i * 8, f64x2.sub(low(x), f64x2.mul(low(before), factor)));
    v128.store(out + i * 8, f64x2.sub(high(x), f64x2.mul(high(before), factor)), 16);
  }
  for (; i < count; i++) {
    f64.store(out + i * 8, <f64>f32.load(pcm + i * 4) - PRE_EMPHASIS * <f64>f32.load(pcm + i * 4 - 4));
  }
}

/**
 * The windows of two frames as `points`: y[i] = (e[i] − 0.03·mean)·window[i], e emphasised, with 0.03·x[0] in place of
 * e[0], then zeros.
 *
 * @param step samples from the first frame to the second
 */
function windowed(pcm: usize, emphasised: usize, step: usize, size: usize): void {
  const rest = 1 - PRE_EMPHASIS;
  const other = pcm + step * 4;
  const a = emphasised;
  const b = emphasised + step * 8;
  const share = rest / <f64>size;
  const mean = pair(sum(pcm, size) * share, sum(other, size) * share);
  for (let i: usize = 0; i < size; i++) v128.store(points + i * 16, sample(a, b, i, mean));
  const first = pair(<f64>f32.load(pcm) * rest, <f64>f32.load(other) * rest);
  v128.store(points, f64x2.mul(f64x2.sub(first, mean), v128.load64_splat(window)));
  memory.fill(points + size * 16, 0, (512 - size) * 16);
}

function sample(a: usize, b: usize, i: usize, mean: v128): v128 {
  const both = v128.load64_lane(b + i * 8, v128.load64_zero(a + i * 8), 1);
  return f64x2.mul(f64x2.sub(both, mean), v128.load64_splat(window + i * 8));
}

function sum(pcm: usize, count: usize): f64 {
  let sums = f64x2.splat(0);
  let more = f64x2.splat(0);
  const end = pcm + count * 4;
  let at = pcm;
  for (; at + 16 <= end; at += 16) {
    const x = v128.load(at);
    sums = f64x2.add(sums, low(x));
    more = f64x2.add(more, high(x));
  }
  sums = f64x2.add(sums, more);
  let total = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; at < end; at += 4) total += <f64>f32.load(at);
  return total;
}

/** ln max(2⁻²³, Σ weights·power) of each filter, to the rows of both frames. */
function logEnergies(filters: usize, mels: usize, a: usize, b: usize): void {
  let weight = filters;
  for (let m: usize = 0; m < mels; m++) {
    let bin = power + load<u32>(weight) * 16;
    const end = weight + 8 + load<u32>(weight, 4) * 8;
    let energy = f64x2.splat(0);
    for (weight += 8; weight < end; weight += 8, bin += 16) {
      energy = f64x2.add(energy, f64x2.mul(v128.load64_splat(weight), v128.load(bin)));
    }
    const log = f32x4.demote_f64x2_zero(ln(f64x2.max(energy, f64x2.splat(ENERGY_FLOOR))));
    v128.store32_lane(a + m * 4, log, 0);
    v128.store32_lane(b + m * 4, log, 1);
  }
}

/**
 * ln x of positive x that are neither denormal nor infinite, to 2e-12: x = 2ᵉ·m with m from √½ to √2, ln m = 2·artanh s with
 * s = (m − 1)/(m + 1), |s| ≤ 0.172, by its series up to s¹³.
 */
function ln(x: v128): v128 {
  // An f64 of 2⁵² whose last bits are a whole number is 2⁵² greater than that number.
  const biased = v128.or(i64x2.shr_u(x, 52), i64x2.splat(0x4330000000000000));
  const exponent = f64x2.sub(biased, f64x2.splat(4503599627370496 + 1023));
  const fraction = v128.or(v128.and(x, i64x2.splat(0x000fffffffffffff)), i64x2.splat(0x3ff0000000000000));
  const halved = f64x2.gt(fraction, f64x2.splat(Math.SQRT2));
  const m = f64x2.sub(fraction, v128.and(halved, f64x2.mul(fraction, f64x2.splat(0.5))));
  const e = f64x2.add(exponent, v128.and(halved, f64x2.splat(1)));
  const s = f64x2.div(f64x2.sub(m, f64x2.splat(1)), f64x2.add(m, f64x2.splat(1)));
  const square = f64x2.mul(s, s);
  let series = f64x2.splat(2.0 / 13);
  series = f64x2.add(f64x2.mul(series, square), f64x2.splat(2.0 / 11));
  series = f64x2.add(f64x2.mul(series, square), f64x2.splat(2.0 / 9));
  series = f64x2.add(f64x2.mul(series, square), f64x2.splat(2.0 / 7));
  series = f64x2.add(f64x2.mul(series, square), f64x2.splat(2.0 / 5));
  series = f64x2.add(f64x2.mul(series, square), f64x2.splat(2.0 / 3));
  series = f64x2.add(f64x2.mul(series, square), f64x2.splat(2));
  return f64x2.add(f64x2.mul(e, f64x2.splat(Math.LN2)), f64x2.mul(series, s));
}

function pair(a: f64, b: f64): v128 {
  return f64x2.replace_lane(f64x2.splat(a), 1, b);
}

/** The first two of four f32 as f64. */
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0));
}
