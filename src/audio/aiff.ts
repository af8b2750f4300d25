import { SenseVoiceError } from "../error.ts";
import { latin1 } from "./bytes.ts";
import type { PcmLayout, SampleReader } from "./pcm.ts";
import { READERS as WAV } from "./wav.ts";

/** By AIFF-C's compression, NONE in a plain AIFF, and bytes of a sample. AIFF's integers of 8 bits are signed. */
const READERS: Readonly<Record<string, SampleReader>> = {
  "none 1": (view, at) => view.getInt8(at) / 2 ** 7,
  "none 2": (view, at) => view.getInt16(at) / 2 ** 15,
  "none 3": (view, at) => (view.getInt16(at) * 256 + view.getUint8(at + 2)) / 2 ** 23,
  "none 4": (view, at) => view.getInt32(at) / 2 ** 31,
  "sowt 2": WAV["1/16"],
  "sowt 3": WAV["1/24"],
  "sowt 4": WAV["1/32"],
  "fl32 4": (view, at) => view.getFloat32(at),
  "fl64 8": (view, at) => view.getFloat64(at),
  "alaw 1": WAV["6/8"],
  "ulaw 1": WAV["7/8"],
};

/**
 * Finds the sound in an AIFF or AIFF-C: PCM of 8 to 32 bits, float, A-law, µ-law; any rate, also with a fraction.
 * Sound that comes before its format is held until then.
 *
 * @see FindPcm, http://www-mmsp.ece.mcgill.ca/Documents/AudioFormats/AIFF/AIFF.html
 */
export function aiffLayout(bytes: Uint8Array, name: string, length = bytes.length): PcmLayout | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [common, data, end] = [0, 0, 0];
  for (let at = 12; !common || !data; ) {
    const [id, body] = [latin1(bytes, at, at + 4), at + 8];
    const size = body <= bytes.length ? view.getUint32(at + 4) : 0;
    if (body + (id === "COMM" ? size : id === "SSND" ? 8 : 0) > bytes.length) {
      if (bytes.length < length) return "";
      throw new SenseVoiceError(`${name}: damaged aiff: it ends before its sound begins`);
    }
    if (id === "COMM" && size >= 18) common = body;
    if (id === "SSND") [data, end] = [body, body + size];
    at = body + size + (size % 2);
  }
  const compression = latin1(bytes, 8, 12) === "AIFC" ? latin1(bytes, common + 18, common + 22) : "none";
  const coding = compression.toLowerCase().replace("twos", "none");
  const channels = view.getUint16(common);
  const frames = view.getUint32(common + 2);
  // A-law and µ-law take a byte, though the header may have the 16 bits that they stand for.
  const sampleBytes = coding.endsWith("law") ? 1 : Math.ceil(view.getUint16(common + 6) / 8);
  const read = READERS[`${coding} ${sampleBytes}`];
  if (!read || channels === 0) {
    return `an aiff of ${channels} channels in ${8 * sampleBytes}-bit ${coding} is not read here`;
  }
  const frameBytes = channels * sampleBytes;
  const start = data + 8 + view.getUint32(data);
  const present = Math.max(0, Math.floor((Math.min(end, length) - start) / frameBytes));
  if (frames > present) {
    throw new SenseVoiceError(`${name}: truncated aiff: expected ${frames} samples, got ${present}`);
  }
  // A float of 80 bits: sign and exponent in 16, then the mantissa in 64 with its leading one.
  const mantissa = view.getUint32(common + 10) + view.getUint32(common + 14) / 2 ** 32;
  const sampleRate = mantissa * 2 ** (view.getUint16(common + 8) - 16383 - 31);
  return { sampleRate, channels, read, start, frameBytes, frames };
}
