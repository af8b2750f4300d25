import { SenseVoiceError } from "../error.ts";
import { latin1 } from "./bytes.ts";
import { MAX_HELD } from "./input.ts";
import type { PcmLayout, SampleReader } from "./pcm.ts";

const EXTENSIBLE = 0xfffe;
/** What writers that cannot seek back put for a length: ffmpeg (and 0), sox, arecord. */
const UNKNOWN_LENGTHS = [0xffffffff, 0x7ffff000, 0x7fffff00];

/**
 * By WAVE_FORMAT tag (1 PCM, 3 float, 6 A-law, 7 µ-law) and bits of storage. Integers are divided by 2^(bits−1), so
 * 16 bits give s/32768 as in FunASR.
 */
export const READERS: Readonly<Record<string, SampleReader>> = {
  "1/8": (view, at) => (view.getUint8(at) - 128) / 128,
  "1/16": (view, at) => view.getInt16(at, true) / 2 ** 15,
  "1/24": (view, at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 65536) / 2 ** 23,
  "1/32": (view, at) => view.getInt32(at, true) / 2 ** 31,
  "3/32": (view, at) => view.getFloat32(at, true),
  "3/64": (view, at) => view.getFloat64(at, true),
  "6/8": (view, at) => aLaw(view.getUint8(at)) / 2 ** 15,
  "7/8": (view, at) => muLaw(view.getUint8(at)) / 2 ** 15,
};

/** Whether the bytes begin as a wav does: RIFF, or RF64 or BW64 for files beyond 4 GiB. */
export function isWav(bytes: Uint8Array): boolean {
  return ["RIFF", "RF64", "BW64"].includes(latin1(bytes, 0, 4)) && latin1(bytes, 8, 12) === "WAVE";
}

/**
 * Finds the sound in a wav: PCM of 8 to 32 bits, float of 32 or 64, A-law, µ-law; any rate, any number of channels.
 * Data of unknown length, as programs write it to a pipe, goes to the end of the file.
 *
 * @see FindPcm, http://soundfile.sapp.org/doc/WaveFormat/, EBU Tech 3306 (RF64), ITU-T G.711
 */
export function wavLayout(bytes: Uint8Array, name: string, length = bytes.length): PcmLayout | string {
  const chunks = readChunks(bytes, name, length);
  if (!chunks) return "";
  const { tag, dataBytes, ...layout } = chunks;
  const read = READERS[`${tag}/${8 * (layout.frameBytes / layout.channels)}`];
  if (!read) return "a wav of an encoding that is not read here";
  return { ...layout, read, frames: Math.floor(dataBytes / layout.frameBytes) };
}

/** How samples stand in a wav without compression. */
export interface WavFormat {
  readonly encoding: "s16le" | "f32le";
  /** Samples a second. */
  readonly rate: number;
  readonly channels: number;
}

/**
 * The 44 bytes in front of the samples of a wav.
 *
 * @param length of the samples in bytes; where it is not known yet, all that follows is sound
 */
export function wavHeader({ encoding, rate, channels }: WavFormat, length?: number): Uint8Array<ArrayBuffer> {
  const bytes = encoding === "s16le" ? 2 : 4;
  const header = Uint8Array.from("RIFF\xff\xff\xff\xffWAVEfmt ".padEnd(36, "\0").concat("data\xff\xff\xff\xff"), (c) =>
    c.charCodeAt(0),
  );
  const view = new DataView(header.buffer);
  view.setUint32(16, 16, true);
  view.setUint16(20, encoding === "s16le" ? 1 : 3, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels * bytes, true);
  view.setUint16(32, channels * bytes, true);
  view.setUint16(34, 8 * bytes, true);
  if (length !== undefined) {
    view.setUint32(4, 36 + length, true);
    view.setUint32(40, length, true);
  }
  return header;
}

/** Walks the chunks up to `data`. Chunks are padded to even lengths; unknown ones are stepped over. */
function readChunks(bytes: Uint8Array, name: string, length: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format: ReturnType<typeof readFormat> | undefined;
  let dataBytes64: number | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const id = latin1(bytes, at, at + 4);
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (id === "data") {
      if (!format) throw new SenseVoiceError(`${name}: damaged wav: its data comes before its format`);
      // 32 bits count modulo 4 GiB where a writer did not know RF64.
      const wrapped = dataBytes64 === undefined ? Math.floor((length - body - size) / 2 ** 32) : 0;
      const wraps = size > 0 && length < Number.POSITIVE_INFINITY && wrapped > 0 && !UNKNOWN_LENGTHS.includes(size);
      const declared = dataBytes64 ?? size + (wraps ? wrapped * 2 ** 32 : 0);
      const dataBytes = dataLength(view, body, declared, name, length);
      return dataBytes === undefined ? undefined : { ...format, start: body, dataBytes };
    }
    if (body + size > bytes.length) break;
    if (id === "ds64" && size >= 16) dataBytes64 = Number(view.getBigUint64(body + 8, true));
    if (id === "fmt ") format = readFormat(view, body, size, name);
    at = body + size + (size % 2);
  }
  if (bytes.length < length) return undefined;
  throw new SenseVoiceError(`${name}: damaged wav: it ends before its data begins`);
}

function readFormat(view: DataView, at: number, size: number, name: string) {
  if (size < 16) throw new SenseVoiceError(`${name}: damaged wav: expected a format of 16 bytes, got ${size}`);
  const tag = view.getUint16(at, true);
  const channels = view.getUint16(at + 2, true);
  const sampleRate = view.getUint32(at + 4, true);
  const frameBytes = view.getUint16(at + 12, true);
  if (channels === 0 || frameBytes === 0 || frameBytes % channels !== 0) {
    throw new SenseVoiceError(`${name}: damaged wav: ${channels} channels in frames of ${frameBytes} bytes`);
  }
  const subFormat = tag === EXTENSIBLE && size >= 26 ? view.getUint16(at + 24, true) : tag;
  const bits = view.getUint16(at + 14, true);
  if ((subFormat === 1 || subFormat === 3) && bits > 8 * (frameBytes / channels)) {
    const frames = `${channels} channels of ${bits} bits in frames of ${frameBytes} bytes`;
    throw new SenseVoiceError(`${name}: damaged wav: ${frames}`);
  }
  return { tag: subFormat, channels, sampleRate, frameBytes };
}

/** Bytes of the data chunk: as declared, or to the end of the file where the writer did not know. */
function dataLength(view: DataView, start: number, declared: number, name: string, length: number) {
  // A length of 0 is believed if the RIFF length, which counts all but the first 8 bytes, is that of the file.
  const whole = view.getUint32(4, true) + 8;
  const ended = length < Number.POSITIVE_INFINITY;
  if (declared === 0 && !ended && whole >= view.byteLength && whole < MAX_HELD) return undefined;
  const unknown = declared === 0 ? whole !== length : UNKNOWN_LENGTHS.includes(declared);
  const present = length - start;
  if (unknown || declared <= present) return unknown ? present : declared;
  throw new SenseVoiceError(`${name}: truncated wav: expected ${declared} bytes of sound, got ${present}`);
}

/** G.711 A-law code → 16-bit sample: sign, 3 bits of exponent, 4 of mantissa, every other bit inverted. */
function aLaw(code: number): number {
  const bits = code ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = ((bits & 15) << 4) + 8;
  const magnitude = exponent === 0 ? mantissa : (mantissa + 256) << (exponent - 1);
  return bits & 0x80 ? magnitude : -magnitude;
}

/** G.711 µ-law code → 16-bit sample: all bits inverted, magnitudes biased by 132. */
function muLaw(code: number): number {
  const bits = ~code;
  const biased = (((bits & 15) << 3) + 132) << ((bits >> 4) & 7);
  return bits & 0x80 ? 132 - biased : biased - 132;
}
