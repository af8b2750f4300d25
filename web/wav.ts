import { SAMPLE_RATE } from "../src/audio/pcm.ts";

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
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, value: string) => {
    for (let i = 0; i < value.length; i++) header.setUint8(at + i, value.charCodeAt(i));
  };
  text(0, "RIFF");
  header.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true);
  header.setUint32(24, SAMPLE_RATE, true);
  header.setUint32(28, 2 * SAMPLE_RATE, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, "data");
  header.setUint32(40, bytes, true);
  return new Blob([header, ...parts], { type: "audio/wav" });
}
