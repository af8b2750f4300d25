import { Geometry } from "./convolve";
import { factorBy, largestOf, quantizeRun } from "./quantizeRows";
import { next } from "./threads";
import { I16, Weight } from "./weight";

/** The largest magnitudes of x [clips, length], of `parts` parts of each clip: y [clips, parts]. */
export function largest(x: usize, y: usize, clips: usize, length: usize, parts: usize): void {
  const share = (((length + parts - 1) / parts + 3) & ~3) * 4;
  for (let task: usize = next(); task < clips * parts; task = next()) {
    const clip = x + (task / parts) * length * 4;
    const from = min(clip + (task % parts) * share, clip + length * 4);
    const end = min(from + share, clip + length * 4);
    const whole = from + ((end - from) & ~15);
    let most = largestOf(from, whole);
    for (let at = whole; at < end; at += 4) most = max(most, abs(f32.load(at)));
    f32.store(y + task * 4, most);
  }
}

/** The largest magnitude of a clip, by those of its parts. */
export function largestOfClip(maxima: usize, clip: usize, parts: usize): f32 {
  let most: f32 = 0;
  for (let p: usize = 0; p < parts; p++) most = max(most, f32.load(maxima + (clip * parts + p) * 4));
  return most;
}

/** Bytes of whole numbers of one place that lie together: 32 channels, or 16 for int16 products. */
export const BLOCK: usize = 32;

/**
 * x [clips, height, width, C] → whole numbers [clips, lines, blocks, run], each clip by its own largest one: int8 with
 * the weight's offset, int16 for int16 products; a border of zeros around each clip, as far as the kernel reaches. A task has a
 * line.
 */
export function quantizePlaces(
  x: usize,
  weight: Weight,
  maxima: usize,
  parts: usize,
  geometry: Geometry,
  clips: usize,
  out: usize,
): void {
  const above = <usize>(geometry.dilation * (geometry.kernelHeight / 2));
  const beside = <usize>(geometry.dilation * (geometry.kernelWidth / 2)) * BLOCK;
  const height = <usize>geometry.height;
  const place = <usize>geometry.channels * 4;
  const line = <usize>geometry.width * place;
  const lines = geometry.lines;
  const blocks = geometry.blocks;
  const part = place / blocks;
  const run = geometry.run;
  const zero = weight.products === I16 ? 0 : weight.offset;
  for (let task: usize = next(); task < clips * lines; task = next()) {
    const clip = task / lines;
    const row = task % lines;
    let to: usize = out + task * blocks * run;
    if (row < above || row >= height + above) {
      memory.fill(to, <u8>zero, blocks * run);
      continue;
    }
    const from = x + (clip * height + row - above) * line;
    const factor = factorBy(largestOfClip(maxima, clip, parts), weight);
    for (let block: usize = 0; block < blocks; block++, to += run) {
      memory.fill(to, <u8>zero, beside);
      if (blocks === 1) quantizeRun(factor, from, from + line, weight, to + beside);
      else {
        let own = to + beside;
        for (let at: usize = block * part; at < line; at += place, own += BLOCK) {
          quantizeRun(factor, from + at, from + at + part, weight, own);
        }
      }
      memory.fill(to + run - beside, <u8>zero, beside);
    }
  }
}
