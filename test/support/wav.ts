import { chunk, format, riff } from "../audio/support.ts";

/** A wav file of mono samples at 16 kHz, as 32-bit floats: nothing is rounded. */
export function wavOf(pcm: Float32Array): Uint8Array {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  return riff([chunk("fmt ", format(3, 1, 16_000, 32)), chunk("data", bytes)]);
}

/** The same as 16-bit integers, for programs that read nothing else. */
export function wavOf16(pcm: Float32Array): Uint8Array {
  const bytes = Int16Array.from(pcm, (x) => Math.max(-32_768, Math.min(32_767, Math.round(x * 32_768))));
  return riff([chunk("fmt ", format(1, 1, 16_000, 16)), chunk("data", new Uint8Array(bytes.buffer))]);
}
