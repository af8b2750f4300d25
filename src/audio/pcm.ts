import { SenseVoiceError } from "../error.ts";
import { resample } from "./resample.ts";

/** What the model listens to: mono, 16 000 samples a second. */
export const SAMPLE_RATE = 16_000;

/** Sound as it was decoded: channels of equal length, samples in [-1, 1]. */
export interface DecodedAudio {
  readonly channels: readonly Float32Array[];
  /** Samples per second of a channel. */
  readonly sampleRate: number;
}

/** Throws `name: …` unless `pcm` is a Float32Array of at least one sample, all of them finite. */
export function checkPcm(pcm: unknown, name = "audio"): asserts pcm is Float32Array {
  if (!(pcm instanceof Float32Array)) {
    throw new SenseVoiceError(`${name}: expected samples in a Float32Array, got ${describe(pcm)}`);
  }
  if (pcm.length === 0) throw new SenseVoiceError(`${name}: expected sound, got 0 samples`);
  for (let i = 0; i < pcm.length; i++) {
    if (!Number.isFinite(pcm[i])) {
      throw new SenseVoiceError(`${name}: expected finite samples, got ${pcm[i]} at sample ${i}`);
    }
  }
}

/**
 * Decoded sound → mono at 16 kHz: the mean of the channels, then `resample`. To save memory the mean is
 * written over the first channel.
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
  return resample(mono, sampleRate, SAMPLE_RATE);
}

function describe(value: unknown): string {
  return value === null || typeof value !== "object" ? String(value) : value.constructor.name;
}
