import { SenseVoiceError } from "../error.ts";

/** Half the filter's length, in zero crossings of its sinc: the price of a steep edge. */
const ZERO_CROSSINGS = 32;
/** Kaiser's β for a stopband of 92 dB: 0.1102·(92 − 8.7). */
const KAISER_BETA = 9.18;
/** Where the edge is half way down, as a share of the lower Nyquist frequency: the stopband begins at 1. */
const CUTOFF = 0.91;
/** Sets of coefficients at most, for each zero crossing: between two sets h is linear to within 126 dB. */
const SETS = 1024;

/** Takes the next samples, or nothing at the end of the sound, and returns the results that are due. */
export type Resampler = (samples?: Float32Array) => Float32Array;

/**
 * Changes the sample rate, without delay: sample k of the result is the sound at k/to seconds.
 *
 *   out[k] = Σ_i samples[i]·h(k·from/to − i),   h(t) = c·sinc(c·t)·kaiser(t),   c = 0.91·min(1, to/from)
 *
 * A polyphase windowed sinc: with to/from = L/M in lowest terms there are L sets of coefficients (phases).
 * Where L is above 1024·c there are 1024·c sets, and a result is interpolated between two of them: the tables never
 * have more than 65 000 coefficients, whatever the rates. Each set sums to 1. The sound is taken to be
 * silent outside. Measured (test/audio/resample.test.ts): up to 0.82 of the lower Nyquist frequency the
 * ripple is below 0.0005 dB; from 1.0 of it on everything is 92 dB down.
 *
 * @param from samples per second of the sound, a positive integer
 * @param to samples per second of the result, a positive integer
 * @returns a function that makes ⌈samples·to/from⌉ samples in all, the same however the sound is cut; the samples
 *   themselves if the rates are the same
 * @see J. O. Smith, "Digital Audio Resampling", https://ccrma.stanford.edu/~jos/resample/
 */
export function createResampler(from: number, to: number): Resampler {
  for (const rate of [from, to]) {
    if (Number.isInteger(rate) && rate > 0) continue;
    throw new SenseVoiceError(`resample: expected a sample rate in whole Hz, got ${rate}`);
  }
  if (from === to) return (samples = new Float32Array(0)) => samples;
  const divisor = gcd(from, to);
  const phases = to / divisor;
  const step = from / divisor;
  const cutoff = CUTOFF * Math.min(1, to / from);
  const reach = Math.ceil(ZERO_CROSSINGS / cutoff);
  const sets = Math.min(phases, Math.ceil(SETS * cutoff));
  const taps: Float64Array[] = [];
  const tapsOf = (set: number) => (taps[set] ??= makeTaps(reach, set / sets, cutoff));

  let held = new Float32Array(0); // what is still needed of the sound, from sample `base` on
  let base = 0;
  let made = 0;
  // Result number `made` lies at sample centre + phase/phases.
  let centre = 0;
  let phase = 0;
  return (samples) => {
    if (samples) {
      const longer = new Float32Array(held.length + samples.length);
      longer.set(held);
      longer.set(samples, held.length);
      held = longer;
    }
    const known = base + held.length;
    const out = new Float32Array(Math.ceil((known * to) / from) - made);
    let count = 0;
    for (; count < out.length && !(samples && centre + reach >= known); count++) {
      const start = centre - reach + 1 - base;
      const position = (phase * sets) / phases;
      const set = Math.floor(position);
      const x = dot(tapsOf(set), held, start);
      const weight = position - set;
      out[count] = weight === 0 ? x : x + weight * (dot(tapsOf(set + 1), held, start) - x);
      phase += step;
      const whole = Math.floor(phase / phases);
      phase -= whole * phases;
      centre += whole;
    }
    made += count;
    const unneeded = Math.min(held.length, Math.max(0, centre - reach + 1 - base));
    held = held.subarray(unneeded);
    base += unneeded;
    return out.subarray(0, count);
  };
}

/** taps[j] = h(reach − 1 − j + fraction): what the sample j places after the first has to be weighted with. */
function makeTaps(reach: number, fraction: number, cutoff: number): Float64Array {
  const taps = new Float64Array(2 * reach);
  let sum = 0;
  for (let j = 0; j < taps.length; j++) {
    const t = reach - 1 - j + fraction;
    const x = Math.PI * cutoff * t;
    const edge = (cutoff * t) / ZERO_CROSSINGS;
    const kaiser = edge ** 2 < 1 ? bessel0(KAISER_BETA * Math.sqrt(1 - edge ** 2)) : 0;
    taps[j] = (x === 0 ? 1 : Math.sin(x) / x) * kaiser;
    sum += taps[j];
  }
  return taps.map((tap) => tap / sum);
}

/** Σ taps[j]·samples[start + j] over the samples there are; four sums, so that additions need not wait for each other. */
function dot(taps: Float64Array, samples: Float32Array, start: number): number {
  let j = Math.max(0, -start);
  const end = Math.min(taps.length, samples.length - start);
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (; j + 3 < end; j += 4) {
    const i = start + j;
    a += taps[j] * samples[i];
    b += taps[j + 1] * samples[i + 1];
    c += taps[j + 2] * samples[i + 2];
    d += taps[j + 3] * samples[i + 3];
  }
  for (; j < end; j++) a += taps[j] * samples[start + j];
  return a + b + c + d;
}

/** Modified Bessel function I₀(x) = Σ ((x/2)^k / k!)², until a term no longer counts. */
function bessel0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / 2 / k) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
