import { describe, expect, test, vi } from "vitest";
import { createResampler } from "../../src/audio/resample.ts";
import { TOLERANCE } from "../support/tolerances.ts";
import { resample } from "./support.ts";

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

/** I₀ by its integral, (1/π)·∫ exp(x·cos θ) dθ from 0 to π: the trapezoidal rule is exact to rounding here. */
const bessel0 = (x: number) => {
  const steps = 200;
  const values = Array.from({ length: steps }, (_, i) => Math.exp(x * Math.cos(((i + 0.5) * Math.PI) / steps)));
  return values.reduce((sum, value) => sum + value) / steps;
};

test.each([
  [8000, 16000],
  [16000, 8000],
  [44100, 16000],
  [48000, 16000],
])("%i Hz → %i Hz: the sum of the formula", (from, to) => {
  const samples = Float32Array.from({ length: 300 }, (_, i) => ((i * i * 31) % 251) / 251 - 0.5);
  const cutoff = 0.91 * Math.min(1, to / from);
  const h = (t: number) => {
    const [x, edge] = [Math.PI * cutoff * t, (cutoff * t) / 32];
    return Math.abs(edge) < 1 ? (x === 0 ? 1 : Math.sin(x) / x) * bessel0(9.18 * Math.sqrt(1 - edge ** 2)) : 0;
  };
  const expected = Float32Array.from({ length: Math.ceil((300 * to) / from) }, (_, k) => {
    let [sum, whole] = [0, 0];
    for (let i = -200; i < 500; i++) {
      const tap = h((k * from) / to - i);
      whole += tap;
      sum += tap * (samples[i] ?? 0);
    }
    return sum / whole;
  });
  const got = resample(samples, from, to);
  expect(got.length).toBe(expected.length);
  got.forEach((value, k) => {
    expect(Math.abs(value - expected[k]), `sample ${k}`).toBeLessThan(TOLERANCE.resampledConstant);
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

describe.each([7999, 12345, 44111, 96001])("rates without a small ratio (%i Hz) are no worse", (rate) => {
  test.each([0.01, 0.3, 0.6, 0.82])("a sine at %f of Nyquist is itself: no delay, no ripple", (share) => {
    const hz = Math.round((Math.min(rate, 16000) / 2) * share);
    expect(error(resample(sine(hz, rate, 1), rate, 16000), sine(hz, 16000, 1))).toBeLessThan(TOLERANCE.resampledSine);
  });

  test("nothing is left of what 16 kHz cannot hold", () => {
    if (rate > 16000) expect(decibels(resample(sine(8160, rate, 0.5), rate, 16000))).toBeLessThan(TOLERANCE.stopband);
  });

  test("a constant stays itself", () => {
    const got = resample(new Float32Array(rate).fill(0.7), rate, 16000);
    expect(error(got, new Float32Array(got.length).fill(0.7))).toBeLessThan(TOLERANCE.resampledConstant);
  });
});

test.each([8000, 11025, 44100, 44111, 48000, 767999])("a cut of the sound (%i Hz) does not show", (rate) => {
  const samples = Float32Array.from({ length: rate / 4 }, (_, i) => ((i * i * 31) % 251) / 251 - 0.5);
  expect(resample(samples, rate, 16000, [1, 4096, 7, 160, 3000, 0])).toEqual(resample(samples, rate, 16000));
});

test.each([8000, 44100, 44111, 767999])("the tables of %i Hz have at most 70 000 coefficients", (rate) => {
  const sin = vi.spyOn(Math, "sin");
  resample(new Float32Array(rate / 4), rate, 16000);
  const coefficients = sin.mock.calls.length;
  sin.mockRestore();
  expect(coefficients).toBeLessThan(70_000);
});

test("the same rate gives the same samples", () => {
  const samples = Float32Array.of(1, 2, 3);
  expect(createResampler(16000, 16000)(samples)).toBe(samples);
});

test.each([0, -8000, 44100.5, Number.NaN])("a rate of %f is refused", (rate) => {
  expect(() => resample(new Float32Array(9), rate, 16000)).toThrow(
    `resample: expected a sample rate in whole Hz, got ${rate}`,
  );
});
