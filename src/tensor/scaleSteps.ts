import { fromF16Bits, halfOf } from "./f16.ts";

/**
 * Scales of groups [N, G] in a byte each: scale(n, g) = f16(step(n) · multiple(n, g)), the product in f32, with multiples from
 * −127 to 127. A row's largest scale is 127 steps.
 */
export interface SteppedScales {
  readonly steps: Float32Array;
  readonly multiples: Int8Array;
}

const MOST = 127;

/** The nearest scales of this kind, which are never 0. */
export function nearestSteps(scales: Float32Array, n: number): SteppedScales {
  const groups = scales.length / n;
  const steps = new Float32Array(n);
  const multiples = new Int8Array(scales.length);
  for (let row = 0; row < n; row++) {
    const own = scales.subarray(row * groups, (row + 1) * groups);
    const step = Math.fround(own.reduce((most, scale) => Math.max(most, Math.abs(scale)), 0) / MOST);
    steps[row] = step;
    own.forEach((scale, g) => {
      const multiple = step > 0 ? Math.round(Math.abs(scale) / step) : 0;
      multiples[row * groups + g] = Math.sign(scale) * Math.max(1, multiple);
    });
  }
  return { steps, multiples };
}

/** The same where it is these scales to the bit, given as the bits of f16; else undefined. */
export function stepsOf(halves: Uint16Array, n: number): SteppedScales | undefined {
  const found = nearestSteps(Float32Array.from(halves, fromF16Bits), n);
  return scalesOfSteps(found).every((half, i) => half === halves[i]) ? found : undefined;
}

/** The scales, as the bits of f16. */
export function scalesOfSteps({ steps, multiples }: SteppedScales): Uint16Array {
  const groups = multiples.length / steps.length;
  const halves = new Uint16Array(multiples.length);
  const scales = new Float32Array(groups);
  const bits = new Int32Array(scales.buffer);
  for (let row = 0, first = 0; row < steps.length; row++, first += groups) {
    for (let g = 0; g < groups; g++) scales[g] = steps[row] * multiples[first + g];
    for (let g = 0; g < groups; g++) halves[first + g] = halfOf(bits[g]);
  }
  return halves;
}
