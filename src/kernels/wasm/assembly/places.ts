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

/** Bytes of a place of x in whole numbers. */
export function placeBytes(weight: Weight, geometry: Geometry): usize {
  return <usize>geometry.channels * (weight.products === I16 ? 2 : 1);
}

/** Of a line of places, with what stands beside it. */
export function lineBytes(weight: Weight, geometry: Geometry): usize {
  const beside = geometry.dilation * (geometry.kernelWidth / 2);
  return <usize>(geometry.width + 2 * beside) * placeBytes(weight, geometry);
}

/** Lines of a clip, with those above and below. */
export function linesOf(geometry: Geometry): usize {
  return <usize>(geometry.height + 2 * geometry.dilation * (geometry.kernelHeight / 2));
}

/**
 * x [clips, height, width, C] → whole numbers, each clip by its own largest one: int8 with the weight's offset, int16 for
 * int16 products; a border of zeros around each clip, as far as the kernel reaches. A task has a line.
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
  const place = placeBytes(weight, geometry);
  const above = <usize>(geometry.dilation * (geometry.kernelHeight / 2));
  const beside = <usize>(geometry.dilation * (geometry.kernelWidth / 2)) * place;
  const height = <usize>geometry.height;
  const line = <usize>(geometry.width * geometry.channels * 4);
  const inside = <usize>geometry.width * place;
  const zero = weight.products === I16 ? 0 : weight.offset;
  for (let task: usize = next(); task < clips * (height + 2 * above); task = next()) {
    const clip = task / (height + 2 * above);
    const row = task % (height + 2 * above);
    const to: usize = out + task * (inside + 2 * beside);
    if (row < above || row >= height + above) {
      memory.fill(to, <u8>zero, inside + 2 * beside);
      continue;
    }
    memory.fill(to, <u8>zero, beside);
    const from = x + (clip * height + row - above) * line;
    quantizeRun(factorBy(largestOfClip(maxima, clip, parts), weight), from, from + line, weight, to + beside);
    memory.fill(to + beside + inside, <u8>zero, beside);
  }
}
