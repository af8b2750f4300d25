import { describe, expect, test } from "vitest";
import { resample } from "../../src/audio/resample.ts";
import { TOLERANCE } from "../support/tolerances.ts";

const sine = (hz: number, rate: number, seconds: number) =>
  Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));

/** The middle half of a signal, away from its ends. */
const middle = (x: Float32Array) => x.subarray(x.length >> 2, (3 * x.length) >> 2);
const rms = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
const decibels = (x: Float32Array) => 20 * Math.log10(rms(middle(x)) / Math.SQRT1_2);

/** Largest difference from `expected` in the middle half. */
function error(got: Float32Array, expected: Float32Array): number {
  const e = middle(expected);
  return middle(got).reduce((max, v, i) => Math.max(max, Math.abs(v - e[i])), 0);
}

const RATES = [8000, 11025, 22050, 32000, 44100, 48000, 96000];

describe.each(RATES)("%i Hz → 16 kHz", (rate) => {
  const nyquist = Math.min(rate, 16000) / 2;

  test.each([0.01, 0.3, 0.6, 0.82])("a sine at %f of Nyquist is itself: no delay, no ripple", (share) => {
    const hz = Math.round(nyquist * share);
    const got = resample(sine(hz, rate, 0.5), rate, 16000);
    expect(error(got, sine(hz, 16000, 0.5))).toBeLessThan(TOLERANCE.resampledSine);
  });

  test("a constant stays itself", () => {
    const got = resample(new Float32Array(rate / 5).fill(0.7), rate, 16000);
    expect(error(got, new Float32Array(got.length).fill(0.7))).toBeLessThan(TOLERANCE.resampledConstant);
  });
});

describe.each(RATES.filter((rate) => rate > 16000))("%i Hz → 16 kHz", (rate) => {
  test.each([1.001, 1.02, 1.2, 1.37])("nothing is left of a sine at %f of Nyquist", (share) => {
    const got = resample(sine(8000 * share, rate, 0.5), rate, 16000);
    expect(decibels(got)).toBeLessThan(TOLERANCE.stopband);
  });
});

test("images of the sound are not added on the way up", () => {
  const got = resample(sine(3000, 8000, 0.5), 8000, 16000);
  expect(error(got, sine(3000, 16000, 0.5))).toBeLessThan(TOLERANCE.resampledSine);
});

test.each([
  [7999, 1000],
  [12345, 12345],
  [44100, 44101],
  [96001, 3],
  [48000, 1],
  [8000, 0],
])("%i Hz, %i samples: the length is rounded up", (rate, samples) => {
  const got = resample(new Float32Array(samples).fill(0.5), rate, 16000);
  expect(got.length).toBe(Math.ceil((samples * 16000) / rate));
  expect(got.every(Number.isFinite)).toBe(true);
});

test.each([7999, 12345])("rates without a common factor (%i Hz) are no worse", (rate) => {
  const got = resample(sine(1000, rate, 1), rate, 16000);
  expect(error(got, sine(1000, 16000, 1))).toBeLessThan(TOLERANCE.resampledSine);
});

test("the same rate gives the same samples", () => {
  const samples = Float32Array.of(1, 2, 3);
  expect(resample(samples, 16000, 16000)).toBe(samples);
});

test.each([0, -8000, 44100.5, Number.NaN])("a rate of %f is refused", (rate) => {
  expect(() => resample(new Float32Array(9), rate, 16000)).toThrow(
    `resample: expected a sample rate in whole Hz, got ${rate}`,
  );
});
