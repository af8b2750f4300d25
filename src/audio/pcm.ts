import { SenseVoiceError } from "../error.ts";
import { createResampler } from "./resample.ts";

/** What the model listens to: mono, 16 000 samples a second. */
export const SAMPLE_RATE = 16_000;

/** Rates that sound is recorded at, with room to spare; a damaged header may claim any. */
const MIN_RATE = 1_000;
const MAX_RATE = 768_000;

/** Sound as it was decoded: channels of equal length, samples in [-1, 1]. */
export interface DecodedAudio {
  readonly channels: readonly Float32Array[];
  /** Samples per second of a channel. */
  readonly sampleRate: number;
}

/** Whether `value` is a typed array of this name, of any realm: Jest and node:vm have classes of their own. */
export function isTypedArray(value: unknown, name: "Float32Array" | "Uint8Array"): boolean {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === `[object ${name}]`;
}

/** Throws `name: …` unless `pcm` is a Float32Array of at least one sample, all of them finite. */
export function checkPcm(pcm: unknown, name = "audio"): asserts pcm is Float32Array {
  if (!isTypedArray(pcm, "Float32Array")) {
    const type = Object.prototype.toString.call(pcm).slice(8, -1);
    throw new SenseVoiceError(`${name}: expected samples in a Float32Array, got ${type}`);
  }
  const samples = pcm as Float32Array;
  if (samples.length === 0) throw new SenseVoiceError(`${name}: expected sound, got 0 samples`);
  checkFinite(samples, name);
}

/** Throws `name: …` unless all samples are finite; `first` is the place of the first in the whole sound. */
export function checkFinite(samples: Float32Array, name: string, first = 0): void {
  for (let i = 0; i < samples.length; i++) {
    if (Number.isFinite(samples[i])) continue;
    throw new SenseVoiceError(`${name}: expected finite samples, got ${samples[i]} at sample ${first + i}`);
  }
}

/**
 * Decoded sound → mono at 16 kHz: the mean of the channels, then `resample`. To save memory the mean is
 * written over the first channel.
 *
 * @throws SenseVoiceError if there are no samples, if one is not finite, or if the rate is beyond belief
 */
export function toMono({ channels, sampleRate }: DecodedAudio, name = "audio"): Float32Array {
  const [mono = new Float32Array(0), ...others] = channels;
  if (others.length > 0) {
    for (let i = 0; i < mono.length; i++) {
      let sum = mono[i];
      for (const channel of others) sum += channel[i];
      mono[i] = sum / channels.length;
    }
  }
  checkPcm(mono, name);
  if (!(sampleRate >= MIN_RATE && sampleRate <= MAX_RATE)) {
    const expected = `expected a sample rate of ${MIN_RATE} to ${MAX_RATE} Hz`;
    throw new SenseVoiceError(`${name}: ${expected}, got ${sampleRate}`);
  }
  const resampler = createResampler(sampleRate, SAMPLE_RATE);
  const [most, rest] = [resampler(mono), resampler()];
  const out = new Float32Array(most.length + rest.length);
  out.set(most);
  out.set(rest, most.length);
  return out;
}
