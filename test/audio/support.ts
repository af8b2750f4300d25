import { readFileSync } from "node:fs";
import { createResampler } from "../../src/audio/resample.ts";

/** What a resampler makes of samples that come all at once, or in pieces of the given lengths, again and again. */
export function resample(samples: Float32Array, from: number, to: number, lengths = [samples.length]) {
  const resampler = createResampler(from, to);
  const parts: Float32Array[] = [];
  for (let at = 0, i = 0; at < samples.length; at += lengths[i++ % lengths.length]) {
    parts.push(resampler(samples.subarray(at, at + lengths[i % lengths.length])));
  }
  return floats([...parts, resampler()]);
}

/** All parts, one after another. */
export function floats(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The bytes of a file beside the tests, in an array of their own. */
export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)));
}

export function f32Fixture(name: string): Float32Array {
  return new Float32Array(fixture(name).buffer);
}

/** The 16-bit samples of `samples/zh-happy.wav`: 16 kHz, mono, a header of 44 bytes. */
export function zhHappy(): Int16Array {
  const url = new URL("../../samples/zh-happy.wav", import.meta.url);
  return new Int16Array(new Uint8Array(readFileSync(url)).buffer, 44);
}

/** One RIFF chunk: name, length, body, and a pad byte if the length is odd. */
export function chunk(id: string, body: Uint8Array, declared = body.length): Uint8Array {
  const out = new Uint8Array(8 + body.length + (body.length % 2));
  out.set(new TextEncoder().encode(id));
  new DataView(out.buffer).setUint32(4, declared, true);
  out.set(body, 8);
  return out;
}

/** The body of a `fmt ` chunk of 16 bytes. */
export function format(tag: number, channels: number, sampleRate: number, bits: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  const blockAlign = channels * (bits / 8);
  view.setUint16(0, tag, true);
  view.setUint16(2, channels, true);
  view.setUint32(4, sampleRate, true);
  view.setUint32(8, sampleRate * blockAlign, true);
  view.setUint16(12, blockAlign, true);
  view.setUint16(14, bits, true);
  return new Uint8Array(view.buffer);
}

/** A wav of the given chunks. */
export function riff(chunks: readonly Uint8Array[], id = "RIFF", declared?: number): Uint8Array {
  const body = concat([new TextEncoder().encode("WAVE"), ...chunks]);
  return chunk(id, body, declared);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Pearson correlation of two signals over the length of the shorter. */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / Math.sqrt(aa * bb);
}
