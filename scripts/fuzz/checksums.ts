import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * Makes checksums right again after a mutation, so that a case gets past the first check to what lies behind it.
 * Each takes the bytes and changes them in place; what cannot be understood is left as it is.
 */

/** The bits of a CRC whose most significant bit comes first, from 0, not inverted. */
function crc(bytes: Uint8Array, bits: 8 | 16 | 32, polynomial: number): number {
  const top = 2 ** (bits - 1);
  let value = 0;
  for (const byte of bytes) {
    value = (value ^ (byte * 2 ** (bits - 8))) >>> 0;
    for (let i = 0; i < 8; i++) {
      const carry = value >= top;
      value = (value * 2) % 2 ** bits;
      if (carry) value = (value ^ polynomial) >>> 0;
    }
  }
  return value;
}

/** CRC-32 of every Ogg page (RFC 3533), taken with its own field 0. */
export function fixOgg(bytes: Uint8Array): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf("OggS"); at >= 0 && at + 27 <= bytes.length; at = buffer.indexOf("OggS", at + 4)) {
    const body = at + 27 + bytes[at + 26];
    const end = bytes.subarray(at + 27, body).reduce((sum, segment) => sum + segment, body);
    if (end > bytes.length) continue;
    buffer.writeUInt32LE(0, at + 22);
    buffer.writeUInt32LE(crc(bytes.subarray(at, end), 32, 0x04c11db7), at + 22);
  }
}

/** CRC-8 of every FLAC frame's header and CRC-16 of the frame (RFC 9639, 9.1.8 and 9.3). */
export function fixFlac(bytes: Uint8Array): void {
  const starts = frameStarts(bytes);
  starts.forEach((start, i) => {
    const header = frameHeaderLength(bytes, start);
    const end = starts[i + 1] ?? bytes.length;
    bytes[start + header - 1] = crc(bytes.subarray(start, start + header - 1), 8, 0x07);
    const sum = crc(bytes.subarray(start, end - 2), 16, 0x8005);
    bytes.set([sum >> 8, sum & 255], end - 2);
  });
}

/** Where frames begin: headers whose CRC-8 is right, or that begin as the first such header does. */
function frameStarts(bytes: Uint8Array): number[] {
  let first: number | undefined;
  const starts: number[] = [];
  for (let at = 4; at + 12 < bytes.length; at++) {
    if (bytes[at] !== 0xff || (bytes[at + 1] & 0xfe) !== 0xf8) continue;
    const header = frameHeaderLength(bytes, at);
    const right = bytes[at + header - 1] === crc(bytes.subarray(at, at + header - 1), 8, 0x07);
    if (right) first ??= at;
    const alike = first !== undefined && [1, 2, 3].every((i) => bytes[at + i] === bytes[first! + i]);
    if (right || alike) starts.push(at);
  }
  return starts;
}

/** Sync code, sizes and rate, number as in UTF-8, block size and sample rate where they are not codes, CRC-8. */
function frameHeaderLength(bytes: Uint8Array, start: number): number {
  const block = bytes[start + 2] >> 4;
  const rate = bytes[start + 2] & 15;
  const ones = Math.clz32(~(bytes[start + 4] << 24));
  return 4 + Math.max(1, ones) + (block === 6 ? 1 : block === 7 ? 2 : 0) + (rate === 12 ? 1 : rate > 12 ? 2 : 0) + 1;
}

/** An entry of a zip: where its central directory record is, its local header, and its stored bytes. */
interface ZipEntry {
  readonly name: string;
  readonly central: number;
  readonly local: number;
  readonly data: Uint8Array;
}

/** The stored entries that a zip's central directory lists, as far as it can be read. */
export function zipEntries(bytes: Uint8Array): ZipEntry[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: ZipEntry[] = [];
  for (let at = buffer.indexOf("PK\x01\x02"); at >= 0 && at + 46 <= bytes.length; ) {
    const local = buffer.readUInt32LE(at + 42);
    if (local + 30 <= bytes.length) {
      const start = local + 30 + buffer.readUInt16LE(local + 26) + buffer.readUInt16LE(local + 28);
      const name = buffer.toString("utf8", at + 46, at + 46 + buffer.readUInt16LE(at + 28));
      entries.push({
        name,
        central: at,
        local,
        data: bytes.subarray(start, start + buffer.readUInt32LE(at + 24)),
      });
    }
    at = buffer.indexOf("PK\x01\x02", at + 4);
  }
  return entries;
}

/** CRC-32 of every stored entry of a zip, in the central directory and before the entry. */
export function fixZip(bytes: Uint8Array): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { central, local, data } of zipEntries(bytes)) {
    const sum = crc32(data);
    buffer.writeUInt32LE(sum, central + 16);
    const descriptor = buffer.readUInt16LE(local + 6) & 8; // the sums then follow the entry; nobody reads those
    if (!descriptor) buffer.writeUInt32LE(sum, local + 14);
  }
}

/** The length of a safetensors header as it is now, the tensors at a multiple of 8 behind it. */
export function fixSafetensors(bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString("latin1");
  let depth = 0;
  let end = 8;
  for (const { 0: token, index } of text.slice(8).matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === "{") depth++;
    if (token !== "}" || --depth > 0) continue;
    end = 8 + index + 1;
    break;
  }
  let data = end;
  while (data < bytes.length && bytes[data] === 0x20) data++;
  const head = Buffer.alloc(8 * Math.ceil(end / 8), " ");
  head.set(bytes.subarray(0, end));
  head.writeBigUInt64LE(BigInt(head.length - 8), 0);
  return Buffer.concat([head, bytes.subarray(data)]);
}

/** A model folder's config.json with the sizes and SHA-256 of these files, and its own digest, as they are. */
export function fixDigests(config: Uint8Array, files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
  try {
    const { digest, ...json } = JSON.parse(Buffer.from(config).toString());
    for (const [name, bytes] of files) {
      if (json.files?.[name]) json.files[name] = { bytes: bytes.length, sha256: sha256(bytes) };
    }
    const whole = { ...json, digest: sha256(JSON.stringify(json)) };
    return Buffer.from(`${JSON.stringify(whole, null, 2)}\n`);
  } catch {
    return config; // no JSON, or nested too deeply
  }
}
