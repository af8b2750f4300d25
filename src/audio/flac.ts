import { SenseVoiceError } from "../error.ts";
import { crcTable, latin1 } from "./bytes.ts";
import { id3Length, soundAhead } from "./container.ts";
import { Input, MORE } from "./input.ts";
import { oggPackets, oggPages } from "./ogg.ts";

const CRC_8 = crcTable(8, 0x07);
const CRC_16 = crcTable(16, 0x8005);
/** Bytes of a frame's header at most. */
const HEADER = 16;

/** Decodes single frames. Where the library divides integers by 2^(bits−1) − 1, wav readers do by 2^(bits−1). */
export async function createFlacDecoder() {
  const decoder = new (await import("@wasm-audio-decoders/flac")).FLACDecoder();
  await decoder.ready;
  const decode = async (frame: Uint8Array) => {
    const { channelData, bitDepth, ...others } = await decoder.decodeFrames([frame]);
    const range = 2 ** (bitDepth - 1);
    const exact = (x: number) => Math.round(x * (range - 1)) / range;
    return { ...others, channelData: channelData.map((channel) => channel.map(exact)) };
  };
  return { decode, free: () => decoder.free() };
}

/**
 * The frames of a FLAC file, native or in Ogg. Decoders pass over damaged frames in silence, so each must have the
 * right checksums, CRC-8 of its header and CRC-16 of it all, and the number after that of the frame before. A
 * recorded broadcast, which is in Ogg, may begin with any number.
 *
 * @throws SenseVoiceError unless there are whole frames and nothing else, with as many samples as STREAMINFO says
 * @see https://www.rfc-editor.org/rfc/rfc9639
 */
export function* flacFrames(file: Uint8Array | Input, name: string): Generator<Uint8Array> {
  const input = file instanceof Input ? file : new Input(file);
  const start = id3Length(yield* input.peek(10));
  const head = (yield* input.peek(start + 26)).subarray(start);
  const ogg = latin1(head, 0, 4) === "OggS";
  let [total, samples, frames] = [ogg ? 0 : flacSamples(head, 0), 0, 0];
  let first = ogg ? undefined : 0;
  const check = (right: boolean) => {
    if (right) return;
    const problem = `expected ${total || "more"} samples, got ${samples}`;
    throw new SenseVoiceError(`${name}: truncated or damaged flac: ${problem}`);
  };
  /** The frame that the bytes begin with. */
  const frame = (bytes: Uint8Array) => {
    const header = frameHeader(bytes, 0);
    const before = header && header.number - (header.varies ? samples : frames);
    first ??= before;
    const end = header && before === first ? frameEnd(bytes, header.end, header.longest) : 0;
    check(end > 0);
    samples += header!.samples;
    frames++;
    return bytes.subarray(0, end);
  };
  if (!ogg) {
    yield* skipMetadata(input, start + 4);
    for (let piece = MORE; ; input.at += piece.length) {
      const header = frameHeader(yield* soundAhead(input, HEADER), 0);
      const ahead = yield* soundAhead(input, (header?.longest ?? 0) + HEADER);
      if (ahead.length === 0) break;
      piece = frame(ahead);
      yield piece;
    }
  }
  for (const packet of ogg ? oggPackets(oggPages(input, name)) : []) {
    if (packet === MORE) {
      yield MORE;
    } else if (latin1(packet, 0, 5) === "\x7fFLAC") {
      check(total === 0 || samples === total); // of the stream before in a chain
      [total, samples, frames, first] = [flacSamples(packet, 9), 0, 0, undefined];
    } else if (frames > 0 || (packet[0] & 0x7f) > 6 || packet.length !== blockLength(packet)) {
      for (let rest = packet; rest.length > 0; ) {
        const piece = frame(rest);
        yield piece;
        rest = rest.subarray(piece.length);
      }
    } // else metadata
  }
  check(total === 0 || samples === total);
}

/** STREAMINFO's number of samples, 0 where the writer did not know; `marker` is the place of fLaC. */
export function flacSamples(bytes: Uint8Array, marker: number): number {
  const field = bytes.subarray(marker + 21, marker + 26); // its 36 lower bits
  return field.reduce((sum, byte, i) => sum * 256 + (i > 0 ? byte : byte & 15), 0);
}

/** Length of a block of metadata: its type, in a byte, its length in three, and so many bytes. */
function blockLength(block: Uint8Array): number {
  return 4 + block.subarray(1, 4).reduce((length, byte) => length * 256 + byte, 0);
}

/** Skips the blocks of metadata. A block has its type in a byte, with 0x80 for the last, its length in three. */
function* skipMetadata(input: Input, start: number): Generator<Uint8Array> {
  input.at = start;
  for (let last = 0; !last; ) {
    const block = yield* input.peek(4);
    if (block.length === 0) return;
    last = block[0] & 0x80;
    input.at += blockLength(block);
  }
}

/** The frame header at this place, if there is one and its CRC-8 is right. */
function frameHeader(bytes: Uint8Array, at: number) {
  if (bytes[at] !== 0xff || (bytes[at + 1] & 0xfe) !== 0xf8) return undefined;
  const [size, rate, layout] = [bytes[at + 2] >> 4, bytes[at + 2] & 15, bytes[at + 3] >> 4];
  // Its number, coded as UTF-8 codes a character: as many leading ones as bytes, six bits in each that follows.
  const ones = Math.clz32(~(bytes[at + 4] << 24));
  let number = bytes[at + 4] & (0x7f >> ones);
  let end = at + 5;
  while (end < at + 4 + ones) number = number * 64 + (bytes[end++] & 0x3f);
  let samples = size < 8 ? 576 << (size - 2) : 256 << (size - 8);
  if (size === 1) samples = 192;
  if (size === 6) samples = bytes[end++] + 1;
  if (size === 7) samples = bytes[end++] * 256 + bytes[end++] + 1;
  end += rate === 12 ? 1 : rate === 13 || rate === 14 ? 2 : 0;
  if (size === 0 || bytes[end] !== bytes.subarray(at, end).reduce((crc, byte) => CRC_8[crc ^ byte], 0)) {
    return undefined;
  }
  // Frames are numbered, or where they vary in length their first samples are.
  const varies = (bytes[at + 1] & 1) === 1;
  // No encoder makes a frame longer than its samples as they are.
  const longest = 100 + 5 * samples * (layout < 8 ? layout + 1 : 2);
  return { end: end + 1, samples, number, varies, longest };
}

/** Where the first frame ends: its CRC-16 has come out as 0, and another frame or nothing follows. 0 if it does not. */
function frameEnd(bytes: Uint8Array, headerEnd: number, longest: number): number {
  let crc = 0;
  for (let end = 0; end <= Math.min(longest, bytes.length); end++) {
    const closed = crc === 0 && end > headerEnd;
    if (closed && (end === bytes.length || frameHeader(bytes, end))) return end;
    crc = ((crc << 8) & 0xffff) ^ CRC_16[(crc >> 8) ^ bytes[end]];
  }
  return 0;
}
