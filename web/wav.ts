import { SAMPLE_RATE } from "../src/audio/pcm.ts";
import { wavHeader } from "../src/audio/wav.ts";

/** Sound as a wav file of 16-bit samples, which every browser plays. */
export async function wavOf(pcms: AsyncIterable<Float32Array>): Promise<Blob> {
  const parts: Int16Array<ArrayBuffer>[] = [];
  for await (const pcm of pcms) parts.push(int16Of(pcm));
  return wavOfParts(parts);
}

/** Half the memory of floats. */
export function int16Of(pcm: Float32Array): Int16Array<ArrayBuffer> {
  return Int16Array.from(pcm, (x) => Math.round(Math.max(-1, Math.min(1, x)) * 32767));
}

export function wavOfParts(parts: readonly Int16Array<ArrayBuffer>[]): Blob {
  const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const header = wavHeader({ encoding: "s16le", rate: SAMPLE_RATE, channels: 1 }, bytes);
  return new Blob([header, ...parts], { type: "audio/wav" });
}
