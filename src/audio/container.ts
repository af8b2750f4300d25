import { SenseVoiceError } from "../error.ts";
import { latin1 } from "./bytes.ts";
import { Input, MAX_HELD } from "./input.ts";
import { isSphere } from "./sphere.ts";
import { isWav } from "./wav.ts";

/** Containers that are known by their first bytes. */
export type Container = "wav" | "mp3" | "aac" | "flac" | "ogg" | "mp4" | "webm" | "aiff" | "sphere";

/** What an mp4 or a QuickTime film may begin with. */
const BOXES: readonly string[] = ["ftyp", "moov", "mdat", "wide", "free", "skip"];
/** Bytes behind a piece of sound that are looked through for the end of a tag. */
const TAIL = 2 ** 13;
const APE = "APETAGEX";
const [A, P] = [0x41, 0x50];
/** APE's flag that there is a header as well as a footer. */
const HAS_HEADER = 2 ** 31;

/** What the bytes are, by their content, whatever the file is called; undefined for anything else. */
export function containerOf(bytes: Uint8Array): Container | undefined {
  if (isWav(bytes)) return "wav";
  if (isSphere(bytes)) return "sphere";
  const start = bytes.subarray(id3Length(bytes), id3Length(bytes) + 12);
  const text = latin1(start);
  if (text.startsWith("fLaC")) return "flac";
  if (text.startsWith("OggS")) return "ogg";
  if (text.startsWith("FORM") && text.slice(8, 11) === "AIF") return "aiff";
  if (BOXES.includes(text.slice(4, 8))) return "mp4";
  if (text.startsWith("\x1a\x45\xdf\xa3")) return "webm";
  // MPEG audio: 11 set bits, then version and layer; layer 0 is AAC in ADTS frames.
  if (start[0] !== 0xff || (start[1] & 0xe0) !== 0xe0) return undefined;
  return (start[1] & 0x06) === 0 ? "aac" : "mp3";
}

/**
 * Throws `name: truncated …` where an mp4, a webm or an mp3 is shorter than it says: at once if its length is known,
 * else at its end. Decoders tend to return what they could make out of such a file and say nothing. An mp3 may lack up
 * to one frame, as many do; mp3 without a Xing header and webm from a live recording tell no length.
 */
export function checkComplete(file: Uint8Array | Input, container: Container, name: string): void {
  const input = file instanceof Input ? file : new Input(file);
  const seen = new Input(input.ended ? input.held : undefined);
  seen.settle();
  const parser = declaredLength(seen, container);
  let step = parser.next();
  const watch = (bytes: Uint8Array | undefined) => {
    if (!step.done) {
      if (bytes) seen.push(bytes);
      else seen.end();
      step = parser.next();
    }
    const declared = step.done ? step.value : undefined;
    if (bytes || declared === undefined || declared <= input.length) return;
    throw new SenseVoiceError(
      `${name}: truncated ${container}: expected ${declared} bytes or more, got ${input.length}`,
    );
  };
  watch(input.ended ? undefined : input.held);
  input.watch = watch;
}

/** Length of the file as its container gives it, undefined where it does not. */
function* declaredLength(input: Input, container: Container): Generator<Uint8Array, number | undefined> {
  if (container === "mp4") return yield* mp4Length(input);
  if (container === "webm") return webmLength(yield* input.peek(4096));
  if (container !== "mp3") return undefined;
  input.at = id3Length(yield* input.peek(10));
  const length = mp3Length(yield* input.peek(64));
  return length && input.at + length;
}

/** The end of the last top-level box. A size of 1 means a 64-bit size follows, 0 that the box ends the file. */
function* mp4Length(input: Input): Generator<Uint8Array, number> {
  for (;;) {
    const box = yield* input.peek(16);
    const view = new DataView(box.buffer, box.byteOffset, box.length);
    let size = box.length < 8 ? 0 : view.getUint32(0);
    if (size === 1 && box.length >= 16) size = Number(view.getBigUint64(8));
    if (size < 8) return input.at;
    input.at += size;
  }
}

/** The end of the Segment, the one element that follows the EBML header. All ones stand for an unknown size. */
function webmLength(bytes: Uint8Array): number | undefined {
  const header = ebmlSize(bytes, 4);
  const segment = header && ebmlSize(bytes, header.end + header.size + 4);
  return segment?.size === undefined ? undefined : segment.end + segment.size;
}

/**
 * EBML's length field: as many leading zeros as there are bytes after the first, then a 1, then the number. Past the
 * end there is none: to clz32 nothing is 0.
 */
function ebmlSize(bytes: Uint8Array, at: number): { size: number; end: number } | undefined {
  const length = Math.clz32(bytes[at]) - 23;
  if (length > 8 || at + length > bytes.length) return undefined;
  let size = bytes[at] - 2 ** (8 - length);
  for (let i = 1; i < length; i++) size = size * 256 + bytes[at + i];
  return size === 2 ** (7 * length) - 1 ? undefined : { size, end: at + length };
}

/** From the Xing (or Info) header in the first frame, which follows the frame's header and side information. */
function mp3Length(frame: Uint8Array): number | undefined {
  const longestFrame = 1441;
  const mpeg1 = (frame[1] & 0x08) !== 0;
  const mono = frame[3] >> 6 === 3;
  const xing = 4 + (mpeg1 ? (mono ? 17 : 32) : mono ? 9 : 17);
  if (xing + 16 > frame.length || !["Xing", "Info"].includes(latin1(frame, xing, xing + 4))) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset + xing, 16);
  const flags = view.getUint32(4);
  return flags & 2 ? view.getUint32(flags & 1 ? 12 : 8) - longestFrame : undefined;
}

/** Bytes of an ID3v2 tag in front of the sound: a 10-byte header with a length in four times seven bits. */
export function id3Length(bytes: Uint8Array): number {
  if (latin1(bytes, 0, 3) !== "ID3" || bytes.length < 10) return 0;
  const footer = bytes[5] & 0x10 ? 10 : 0;
  return 10 + footer + bytes.subarray(6, 10).reduce((size, byte) => size * 128 + (byte & 0x7f), 0);
}

/** Where the tags behind the sound begin: an APE tag, which ends with its length, and the 128 bytes of an ID3v1 tag. */
export function soundEnd(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length;
  if (end >= 128 && latin1(bytes, end - 128, end - 125) === "TAG") end -= 128;
  if (end < 32 || latin1(bytes, end - 32, end - 24) !== APE) return end;
  const header = view.getUint32(end - 12, true) & HAS_HEADER ? 32 : 0; // which its length leaves out
  return Math.max(0, end - header - view.getUint32(end - 20, true));
}

/**
 * The bytes of the sound from here on, `count` or more, fewer only where it ends: at the tags behind it. Of a tag in a
 * stream, TAIL bytes are known by their end, any number by the header that an APE tag usually has.
 */
export function* soundAhead(input: Input, count: number): Generator<Uint8Array, Uint8Array> {
  let held = yield* input.peek(count + TAIL);
  for (let at = held.indexOf(A); !input.ended && at >= 0 && at < count; at = held.indexOf(A, at + 1)) {
    if (held[at + 1] !== P || latin1(held, at, at + 8) !== APE) continue;
    const size = new DataView(held.buffer, held.byteOffset + at).getUint32(12, true);
    if (size < MAX_HELD / 2) held = yield* input.peek(at + 32 + size + 128 + 1);
  }
  return input.ended ? held.subarray(0, soundEnd(held)) : held;
}
