import { SenseVoiceError } from "../error.ts";

/** Half the filter's length, in zero crossings of its sinc: the price of a steep edge. */
const ZERO_CROSSINGS = 32;
/** Kaiser's β for a stopband of 92 dB: 0.1102·(92 − 8.7). */
const KAISER_BETA = 9.18;
/** Where the edge is half way down, as a share of the lower Nyquist frequency: the stopband begins at 1. */
const CUTOFF = 0.91;

/**
 * Changes the sample rate, without delay: sample k of the result is the sound at k/to seconds.
 *
 *   out[k] = Σ_i samples[i]·h(k·from/to − i),   h(t) = c·sinc(c·t)·kaiser(t),   c = 0.91·min(1, to/from)
 *
 * A polyphase windowed sinc: with to/from = L/M in lowest terms there are L sets of coefficients (phases),
 * and one set is in memory at a time, whatever the rates. Each set sums to 1. The sound is taken to be
 * silent outside. Measured (test/audio/resample.test.ts): up to 0.82 of the lower Nyquist frequency the
 * ripple is below 0.0005 dB; from 1.0 of it on everything is 92 dB down.
 *
 * @param from samples per second of `samples`, a positive integer
 * @param to samples per second of the result, a positive integer
 * @returns ⌈samples·to/from⌉ samples; `samples` itself if the rates are the same
 * @see J. O. Smith, "Digital Audio Resampling", https://ccrma.stanford.edu/~jos/resample/
 */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  for (const rate of [from, to]) {
    if (Number.isInteger(rate) && rate > 0) continue;
    throw new SenseVoiceError(`resample: expected a sample rate in whole Hz, got ${rate}`);
  }
  if (from === to) return samples;
  const divisor = gcd(from, to);
  const phases = to / divisor;
  const step = from / divisor;
  const cutoff = CUTOFF * Math.min(1, to / from);
  const reach = Math.ceil(ZERO_CROSSINGS / cutoff);
  const taps = new Float64Array(2 * reach);
  const out = new Float32Array(Math.ceil((samples.length * to) / from));

  // All results of a phase before the next phase: they share the coefficients.
  for (let first = 0; first < Math.min(phases, out.length); first++) {
    const centre = Math.floor((first * step) / phases);
    fillTaps(taps, reach, ((first * step) % phases) / phases, cutoff);
    for (let k = first, start = centre - reach + 1; k < out.length; k += phases, start += step) {
      out[k] = dot(taps, samples, start);
    }
  }
  return out;
}

/** taps[j] = h(reach − 1 − j + fraction): what the sample j places after the first has to be weighted with. */
function fillTaps(taps: Float64Array, reach: number, fraction: number, cutoff: number): void {
  let sum = 0;
  for (let j = 0; j < taps.length; j++) {
    const t = reach - 1 - j + fraction;
    const x = Math.PI * cutoff * t;
    const edge = (cutoff * t) / ZERO_CROSSINGS;
    const kaiser = edge ** 2 < 1 ? bessel0(KAISER_BETA * Math.sqrt(1 - edge ** 2)) : 0;
    taps[j] = (x === 0 ? 1 : Math.sin(x) / x) * kaiser;
    sum += taps[j];
  }
  for (let j = 0; j < taps.length; j++) taps[j] /= sum;
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
