import { chunk, format, riff } from "../audio/support.ts";

/** A wav file of mono samples at 16 kHz, as 32-bit floats: nothing is rounded. */
export function wavOf(pcm: Float32Array): Uint8Array {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  return riff([chunk("fmt ", format(3, 1, 16_000, 32)), chunk("data", bytes)]);
}
