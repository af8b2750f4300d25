import { readFileSync } from "node:fs";
import { decodeAudio, type Fallback } from "../../src/audio/decode.ts";
import { type DecodedAudio, type PcmLayout, readPcm } from "../../src/audio/pcm.ts";
import { createResampler } from "../../src/audio/resample.ts";
import { joinAudio, streamAudio } from "../../src/audio/stream.ts";

/** All pieces of `decodeAudio` as one. */
export async function decodeWhole(
  bytes: Uint8Array,
  name?: string,
  fallback?: Fallback,
): Promise<{ channels: Float32Array[]; sampleRate: number }> {
  const pieces: DecodedAudio[] = [];
  for await (const piece of decodeAudio(bytes, name, fallback)) pieces.push(piece);
  return whole(pieces);
}

/** What `streamAudio` makes of sound that has been decoded already. */
export function streamWhole(pieces: readonly DecodedAudio[], name?: string, maxSeconds?: number) {
  const fallback = async function* () {
    yield* pieces;
    return undefined;
  };
  return joinAudio(streamAudio(Uint8Array.of(0), name, fallback, maxSeconds));
}

/** The sound that a layout finds in a file. */
export function readWhole(bytes: Uint8Array, layout: PcmLayout | string) {
  if (typeof layout === "string") throw new Error(layout);
  return whole([...readPcm(bytes, layout)]);
}

function whole(pieces: readonly DecodedAudio[]) {
  const channels = (pieces[0]?.channels ?? []).map((_, c) => floats(pieces.map((piece) => piece.channels[c])));
  return { channels, sampleRate: pieces[0]?.sampleRate };
}

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

/** A page of Ogg around whole packets. */
export function oggPage(
  packets: readonly Uint8Array[],
  { position = 0, flags = 0, stream = 7, number = 0 }: Partial<Record<OggField, number>>,
): Uint8Array {
  const lengths = packets.flatMap(({ length }) => [...Array(Math.floor(length / 255)).fill(255), length % 255]);
  const header = new DataView(new ArrayBuffer(27));
  new Uint8Array(header.buffer).set(new TextEncoder().encode("OggS"));
  header.setUint8(5, flags);
  header.setBigInt64(6, BigInt(position), true);
  header.setUint32(14, stream, true);
  header.setUint32(18, number, true);
  header.setUint8(26, lengths.length);
  return sealPage(concat([new Uint8Array(header.buffer), Uint8Array.from(lengths), ...packets]));
}
type OggField = "position" | "flags" | "stream" | "number";
export const [FIRST, LAST] = [2, 4];

/** Writes a page's CRC-32 anew: bit by bit, unlike the code that is tested. */
export function sealPage(page: Uint8Array): Uint8Array {
  page.fill(0, 22, 26);
  let crc = 0;
  for (const byte of page) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  }
  new DataView(page.buffer, page.byteOffset).setInt32(22, crc, true);
  return page;
}

/** Copies of the pages of an Ogg file. */
export function pagesOf(file: Uint8Array): Uint8Array[] {
  const pages: Uint8Array[] = [];
  for (let at = 0; at < file.length; at += pages[pages.length - 1].length) {
    const body = at + 27 + file[at + 26];
    pages.push(
      file.slice(
        at,
        file.subarray(at + 27, body).reduce((end, length) => end + length, body),
      ),
    );
  }
  return pages;
}

/** Ogg Opus of one packet, again and again, in pages as full as can be; `samples` at 48 kHz are in a packet. */
export function opusFile(packet: Uint8Array, count: number, samples: number, positions = true): Uint8Array {
  const head = Uint8Array.of(...latin("OpusHead"), 1, 1, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0);
  const tags = Uint8Array.of(...latin("OpusTags"), 0, 0, 0, 0, 0, 0, 0, 0);
  const pages = [oggPage([head], { flags: FIRST }), oggPage([tags], { number: 1 })];
  for (let done = 0; done < count; ) {
    const packets = Array<Uint8Array>(Math.min(255, count - done)).fill(packet);
    done += packets.length;
    const position = positions ? done * samples : -1;
    pages.push(oggPage(packets, { position, flags: done === count ? LAST : 0, number: pages.length }));
  }
  return concat(pages);
}

const latin = (text: string) => new TextEncoder().encode(text);
