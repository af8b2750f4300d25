import { SenseVoiceError } from "../error.ts";
import { latin1 } from "./bytes.ts";
import { isSphere } from "./sphere.ts";
import { isWav } from "./wav.ts";

/** Containers that are known by their first bytes. */
export type Container = "wav" | "mp3" | "aac" | "flac" | "ogg" | "mp4" | "webm" | "aiff" | "sphere";

/** What the bytes are, by their content, whatever the file is called; undefined for anything else. */
export function containerOf(bytes: Uint8Array): Container | undefined {
  if (isWav(bytes)) return "wav";
  if (isSphere(bytes)) return "sphere";
  const start = bytes.subarray(id3Length(bytes), id3Length(bytes) + 12);
  const text = latin1(start);
  if (text.startsWith("fLaC")) return "flac";
  if (text.startsWith("OggS")) return "ogg";
  if (text.startsWith("FORM") && text.slice(8, 11) === "AIF") return "aiff";
  if (text.slice(4, 8) === "ftyp") return "mp4";
  if (text.startsWith("\x1a\x45\xdf\xa3")) return "webm";
  // MPEG audio: 11 set bits, then version and layer; layer 0 is AAC in ADTS frames.
  if (start[0] !== 0xff || (start[1] & 0xe0) !== 0xe0) return undefined;
  return (start[1] & 0x06) === 0 ? "aac" : "mp3";
}

/**
 * Throws `name: truncated …` where an mp4, a webm or an mp3 is shorter than it says. Decoders tend to return what
 * they could make out of such a file and say nothing. An mp3 may lack up to one frame, as many do; mp3 without a
 * Xing header and webm from a live recording tell no length.
 */
export function checkComplete(bytes: Uint8Array, container: Container, name: string): void {
  const declared = declaredLength(bytes, container);
  if (declared === undefined || declared <= bytes.length) return;
  throw new SenseVoiceError(`${name}: truncated ${container}: expected ${declared} bytes or more, got ${bytes.length}`);
}

/** Length of the file as its container gives it, undefined where it does not. */
function declaredLength(bytes: Uint8Array, container: Container): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (container === "mp4") return mp4Length(view);
  if (container === "webm") return webmLength(bytes);
  if (container === "mp3") return mp3Length(bytes, view);
  return undefined;
}

/** The end of the last top-level box. A size of 1 means a 64-bit size follows, 0 that the box ends the file. */
function mp4Length(view: DataView): number {
  let at = 0;
  while (at + 8 <= view.byteLength) {
    let size = view.getUint32(at);
    if (size === 1 && at + 16 <= view.byteLength) size = Number(view.getBigUint64(at + 8));
    if (size < 8) break;
    at += size;
  }
  return at;
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
function mp3Length(bytes: Uint8Array, view: DataView): number | undefined {
  const longestFrame = 1441;
  const start = id3Length(bytes);
  const mpeg1 = (bytes[start + 1] & 0x08) !== 0;
  const mono = bytes[start + 3] >> 6 === 3;
  const xing = start + 4 + (mpeg1 ? (mono ? 17 : 32) : mono ? 9 : 17);
  if (xing + 16 > bytes.length || !["Xing", "Info"].includes(latin1(bytes, xing, xing + 4))) {
    return undefined;
  }
  const flags = view.getUint32(xing + 4);
  if ((flags & 2) === 0) return undefined;
  return start + view.getUint32(xing + 8 + (flags & 1 ? 4 : 0)) - longestFrame;
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
  if (end >= 32 && latin1(bytes, end - 32, end - 24) === "APETAGEX") end -= view.getUint32(end - 20, true);
  return end;
}
