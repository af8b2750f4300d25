import { SenseVoiceError } from "../error.ts";
import type { DecodedAudio } from "./pcm.ts";

/**
 * Puts right what the library's FLAC decoder returns: it scales integers by 1/(2^(bits−1) − 1), where wav
 * readers and FunASR take 1/2^(bits−1), and it passes over damaged frames in silence.
 *
 * @throws SenseVoiceError unless there are as many samples as the stream says
 * @see STREAMINFO in https://www.rfc-editor.org/rfc/rfc9639.html#name-streaminfo
 */
export function exactFlac(
  bytes: Uint8Array,
  start: number,
  decoded: DecodedAudio,
  name: string,
): DecodedAudio {
  // The marker fLaC and STREAMINFO are at the start, or behind an Ogg page header and the packet's own 9 bytes.
  const info = bytes[start] === 0x4f ? start + 28 + 9 + 8 : start + 8;
  const bits = ((bytes[info + 12] & 1) << 4) + (bytes[info + 13] >> 4) + 1;
  const expected = bytes
    .subarray(info + 14, info + 18)
    .reduce((sum, b) => sum * 256 + b, bytes[info + 13] & 15);
  const got = decoded.channels[0].length;
  if (expected !== 0 && got !== expected) {
    throw new SenseVoiceError(`${name}: truncated or damaged flac: expected ${expected} samples, got ${got}`);
  }
  const range = 2 ** (bits - 1);
  const channels = decoded.channels.map((channel) => channel.map((x) => Math.round(x * (range - 1)) / range));
  return { channels, sampleRate: decoded.sampleRate };
}
