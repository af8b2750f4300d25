import FFT from "fft.js";
import type { FrontendConfig } from "../model/sensevoice/config.ts";
import { type MelFilter, melFilters } from "./mel.ts";

const PRE_EMPHASIS = 0.97;
/** The smallest energy whose logarithm is taken: f32's epsilon, 2^-23. */
const ENERGY_FLOOR = 2 ** -23;
/** SenseVoice was trained on samples in the range of 16-bit integers. */
export const PCM_SCALE = 32768;

/** What depends on the length of a window alone. */
export interface FbankTables {
  readonly window: Float64Array;
  readonly scale: number;
  /** The next power of two. */
  readonly fftSize: number;
  readonly filters: readonly MelFilter[];
}

/** What is computed; FrontendConfig is one. */
export interface FbankConfig extends Pick<FrontendConfig, "sampleRate" | "mels" | "frameLengthMs" | "frameShiftMs"> {
  /** "hamming" unless given; Povey's is a Hann window to the power of 0.85. */
  readonly window?: "hamming" | "povey";
  /** What samples are multiplied by: PCM_SCALE unless given. */
  readonly scale?: number;
}

interface Plan extends FbankTables {
  readonly fft: FFT;
}

const planOfConfig = new WeakMap<FbankConfig, Plan>();

/** Samples of a window, and from one window to the next. */
export function frameSizes(config: FbankConfig): { readonly window: number; readonly shift: number } {
  const samples = (milliseconds: number) => Math.trunc(config.sampleRate * milliseconds * 0.001);
  return { window: samples(config.frameLengthMs), shift: samples(config.frameShiftMs) };
}

/**
 * Log mel filterbank energies, as Kaldi computes them without dither:
 *
 *   x ← 32768·pcm (or config.scale), cut into windows of 25 ms every 10 ms, whole windows only
 *   x ← x − mean(x);  x[i] ← x[i] − 0.97·x[max(i−1, 0)];  x[i] ← x[i]·(0.54 − 0.46·cos(2πi/(N−1)))
 *   out[t, m] = ln max(2^-23, Σ_k mel[m, k]·|FFT(x)[k]|²), the FFT zero-padded to the next power of two
 *
 * Sound shorter than a window is one window of its own length, with an FFT to match, so that few of the low
 * filters catch a bin; a single sample, for which the formula has no meaning, gives one frame of the floor.
 *
 * @param pcm mono samples in [-1, 1] at config.sampleRate, at least one
 * @returns [frames, mels], frames = 1 + ⌊(samples − window)/shift⌋; `openFbank` gives the same, faster
 * @see torchaudio.compliance.kaldi.fbank and FunASR's WavFrontend.forward
 */
export function fbank(pcm: Float32Array, config: FbankConfig): Float32Array {
  const { mels } = config;
  const { window: fullWindow, shift } = frameSizes(config);
  if (pcm.length < 2) return new Float32Array(mels).fill(Math.log(ENERGY_FLOOR));

  const plan = pcm.length < fullWindow ? makePlan(shortWindow(pcm.length, config), config) : planOf(config, fullWindow);
  const { window, fft, fftSize, filters, scale } = plan;
  const frames = 1 + Math.trunc((pcm.length - window.length) / shift);
  const out = new Float32Array(frames * mels);
  const frame = new Float64Array(fftSize);
  const spectrum = new Float64Array(2 * fftSize);
  const power = new Float64Array(fftSize / 2);

  for (let t = 0; t < frames; t++) {
    windowed(pcm, t * shift, window, scale, frame);
    fft.realTransform(spectrum, frame);
    for (let k = 0; k < power.length; k++) {
      const re = spectrum[2 * k];
      const im = spectrum[2 * k + 1];
      power[k] = re * re + im * im;
    }
    for (let m = 0; m < mels; m++) {
      const { firstBin, weights } = filters[m];
      let energy = 0;
      for (let i = 0; i < weights.length; i++) energy += weights[i] * power[firstBin + i];
      out[t * mels + m] = Math.log(Math.max(energy, ENERGY_FLOOR));
    }
  }
  return out;
}

/** One frame ready for the FFT: scaled, without its mean, pre-emphasised, windowed. Its zero padding stays zero. */
function windowed(pcm: Float32Array, start: number, window: Float64Array, scale: number, frame: Float64Array): void {
  const n = window.length;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += pcm[start + i];
  const mean = sum / n;
  let previous = pcm[start] - mean;
  for (let i = 0; i < n; i++) {
    const x = pcm[start + i] - mean;
    frame[i] = (x - PRE_EMPHASIS * previous) * scale * window[i];
    previous = x;
  }
}

/** Length of the only window of sound shorter than a full one, rounded as FunASR rounds it (at times one less). */
function shortWindow(samples: number, { sampleRate }: FbankConfig): number {
  const milliseconds = (samples / sampleRate) * 1000;
  return Math.max(2, Math.trunc(sampleRate * milliseconds * 0.001));
}

function planOf(config: FbankConfig, windowSize: number): Plan {
  let plan = planOfConfig.get(config);
  if (!plan) {
    plan = makePlan(windowSize, config);
    planOfConfig.set(config, plan);
  }
  return plan;
}

function makePlan(windowSize: number, config: FbankConfig): Plan {
  const tables = fbankTables(windowSize, config);
  return { ...tables, fft: new FFT(tables.fftSize) };
}

/** Window and filters for windows of so many samples. */
export function fbankTables(windowSize: number, config: FbankConfig): FbankTables {
  const { sampleRate, mels, window = "hamming", scale = PCM_SCALE } = config;
  const fftSize = 2 ** Math.ceil(Math.log2(windowSize));
  const cosine = (i: number) => Math.cos((2 * Math.PI * i) / (windowSize - 1));
  const shapes = {
    hamming: (i: number) => 0.54 - 0.46 * cosine(i),
    povey: (i: number) => (0.5 - 0.5 * cosine(i)) ** 0.85,
  };
  return {
    window: Float64Array.from({ length: windowSize }, (_, i) => shapes[window](i)),
    scale,
    fftSize,
    filters: melFilters(mels, fftSize, sampleRate),
  };
}
