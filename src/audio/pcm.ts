import { SenseVoiceError } from "../error.ts";

/** What the model listens to: mono, 16 000 samples a second. */
export const SAMPLE_RATE = 16_000;

/** What one run may hear: attention grows with the square of it, and the model learned from less than a minute. */
export const MAX_SECONDS = 1800;

/** Frames of uncompressed sound that are read at a time. */
const SLICE = 8192;

/** A piece of sound as it was decoded: channels of equal length, samples in [-1, 1]. */
export interface DecodedAudio {
  readonly channels: readonly Float32Array[];
  /** Samples per second of a channel. */
  readonly sampleRate: number;
  /** Samples of a channel in the whole sound, where the file tells. */
  readonly total?: number;
}

/** Reads the sample at a byte offset as a number in [-1, 1]. */
export type SampleReader = (view: DataView, at: number) => number;

/** Where uncompressed sound is in a file and how it is read, in frames: one sample of every channel. */
export interface PcmLayout {
  readonly sampleRate: number;
  readonly channels: number;
  readonly read: SampleReader;
  /** The place of the first frame. */
  readonly start: number;
  readonly frameBytes: number;
  /** Infinity in a stream whose length is not known yet. */
  readonly frames: number;
}

/**
 * Finds the sound in a file whose first bytes are given.
 *
 * @param length bytes of the whole file, Infinity where that is not known yet
 * @returns "" if more bytes are needed; for what is not read here, in a few words why not
 * @throws SenseVoiceError if the file is damaged or ends before its sound does
 */
export type FindPcm = (bytes: Uint8Array, name: string, length?: number) => PcmLayout | string;

/** The sound that a layout describes, slice by slice. */
export function* readPcm(bytes: Uint8Array, layout: PcmLayout): Generator<DecodedAudio> {
  const { sampleRate, read, start, frameBytes, frames } = layout;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let first = 0; first < frames; first += SLICE) {
    const channels = Array.from({ length: layout.channels }, (_, c) => {
      const out = new Float32Array(Math.min(SLICE, frames - first));
      let at = start + first * frameBytes + c * (frameBytes / layout.channels);
      for (let i = 0; i < out.length; i++, at += frameBytes) out[i] = read(view, at);
      return out;
    });
    yield { channels, sampleRate, total: frames };
  }
}

/** Whether `value` is a typed array of this name, of any realm: Jest and node:vm have classes of their own. */
export function isTypedArray(value: unknown, name: "Float32Array" | "Uint8Array"): boolean {
  return ArrayBuffer.isView(value) && typeName(value) === name;
}

/** What a value is, of whatever realm: `Float32Array`, `String`, `Null`. */
export function typeName(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** Throws `name: …` unless `pcm` is a Float32Array of at least one sample. */
export function checkPcm(pcm: unknown, name = "audio"): asserts pcm is Float32Array {
  if (!isTypedArray(pcm, "Float32Array")) {
    throw new SenseVoiceError(`${name}: expected samples in a Float32Array, got ${typeName(pcm)}`);
  }
  if ((pcm as Float32Array).length === 0) throw new SenseVoiceError(`${name}: expected sound, got 0 samples`);
}

/** A copy of a clip, of this realm. Throws unless it is sound of at most `MAX_SECONDS`. */
export function copyClip(pcm: Float32Array, sampleRate: number): Float32Array {
  checkPcm(pcm);
  const seconds = pcm.length / sampleRate;
  if (seconds <= MAX_SECONDS) return new Float32Array(pcm);
  throw new SenseVoiceError(
    `[engine] sound: expected at most ${MAX_SECONDS} seconds, got ${Math.ceil(seconds * 1000) / 1000}: cut it first`,
  );
}

/** Throws `name: …` unless all samples are finite; `first` is the place of the first in the whole sound. */
export function checkFinite(samples: Float32Array, name: string, first = 0): void {
  if (isSumFinite(samples)) return;
  for (let i = 0; i < samples.length; i++) {
    if (Number.isFinite(samples[i])) continue;
    throw new SenseVoiceError(`${name}: expected finite samples, got ${samples[i]} at sample ${first + i}`);
  }
}

/** Whether all samples are finite: f32 numbers do not overflow a sum in f64, and ∞ and NaN stay in it. */
function isSumFinite(samples: Float32Array): boolean {
  let even = 0; // one sum alone would wait for each addition
  let odd = 0;
  const pairs = samples.length & ~1;
  for (let i = 0; i < pairs; i += 2) {
    even += samples[i];
    odd += samples[i + 1];
  }
  if (pairs < samples.length) even += samples[pairs];
  return Number.isFinite(even + odd);
}

/** All parts, one after another. */
export async function concat(
  parts: readonly Float32Array[],
  pause: () => Promise<void> | undefined,
): Promise<Float32Array> {
  const out = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    out.set(part, end);
    end += part.length;
    await pause();
  }
  return out;
}
