import { SenseVoiceError } from "../error.ts";
import { crcTable, join, latin1 } from "./bytes.ts";
import { id3Length } from "./container.ts";
import { Input, MAX_HELD, MORE } from "./input.ts";

const CRC_32 = crcTable(32, 0x04c11db7);
/** Bytes of a page's header before the lengths of its segments. */
const HEADER = 27;

/**
 * The pages of the first stream in an Ogg file and of those chained to it.
 *
 * @throws SenseVoiceError for a page that does not begin with OggS, fails its CRC-32, is truncated, or has not the
 *   number after that of the page before
 * @see https://www.rfc-editor.org/rfc/rfc3533
 */
export function* oggPages(file: Uint8Array | Input, name: string): Generator<Uint8Array> {
  const input = file instanceof Input ? file : new Input(file);
  let [stream, pages, number] = [0, 0, 0];
  let ended = false;
  for (const page of walk(input)) {
    if (page === MORE) {
      yield MORE;
      continue;
    }
    const at = input.at - page.length;
    const whole = page.length === pageLength(page);
    const view = new DataView(page.buffer, page.byteOffset, page.length);
    if (latin1(page, 0, 4) !== "OggS" || (whole && view.getInt32(22, true) !== checksum(page))) {
      throw new SenseVoiceError(`${name}: damaged ogg: the page at byte ${at} fails its checksum`);
    }
    if (!whole) throw new SenseVoiceError(`${name}: truncated ogg: it ends inside the page at byte ${at}`);
    // Streams side by side begin before the second page of any; one that begins later is the next of a chain.
    // The same stream cannot begin again before it has ended.
    const again = page[5] & 2 && pages > 1 && !ended && view.getUint32(14) === stream;
    if (page[5] & 2 && pages !== 1) [stream, pages] = [view.getUint32(14), 0];
    if (view.getUint32(14) !== stream) continue;
    ended = (page[5] & 4) !== 0;
    const expected = number + 1;
    number = view.getUint32(18, true);
    // A recorded broadcast may go on in the middle after its two pages of headers; none goes back.
    const inOrder = !again && (number === expected || pages === 0 || (pages <= 2 && number > expected));
    pages++;
    if (!inOrder) {
      throw new SenseVoiceError(`${name}: damaged ogg: pages are missing or out of order before byte ${at}`);
    }
    yield page;
  }
}

/** The packets in the pages. One may begin in a page and end in a later one. */
export function* oggPackets(pages: Iterable<Uint8Array>): Generator<Uint8Array> {
  let parts: Uint8Array[] = [];
  for (const page of pages) {
    if (page === MORE) {
      yield MORE;
      continue;
    }
    let start = HEADER + page[26];
    let end = start;
    for (const length of page.subarray(HEADER, start)) {
      end += length;
      if (length === 255) continue;
      yield join([...parts, page.subarray(start, end)]);
      [parts, start] = [[], end];
    }
    parts.push(page.subarray(start, end));
    if (parts.length * 255 * 255 > MAX_HELD) throw new Error("a packet that does not end");
  }
}

/** Samples from the first page with a position to the last one, unchecked; 0 if they are of different streams. */
export function oggSamples(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const position = (at: number) => (at + HEADER <= bytes.length ? Number(view.getBigInt64(at + 6, true)) : 0);
  let last = bytes.length;
  do last = bytes.lastIndexOf(0x4f, last - 1);
  while (last > 0 && latin1(bytes, last, last + 4) !== "OggS");
  const input = new Input(bytes);
  for (const { length } of walk(input)) {
    const at = input.at - length;
    if (position(at) <= 0) continue;
    const same = position(last) > 0 && view.getUint32(at + 14) === view.getUint32(last + 14);
    return same ? position(last) - position(at) : 0;
  }
  return 0;
}

/** Pages by the lengths in their headers; the last one may be cut. */
function* walk(input: Input): Generator<Uint8Array> {
  input.at = id3Length(yield* input.peek(10));
  for (;;) {
    const segments = (yield* input.peek(HEADER))[26] ?? 0;
    const length = pageLength(yield* input.peek(HEADER + segments));
    const page = (yield* input.peek(length)).subarray(0, length);
    if (page.length === 0) return;
    input.at += page.length;
    yield page;
  }
}

/** The length of the page that the bytes begin with: its header, a table of segments, and what the table adds up to. */
function pageLength(bytes: Uint8Array): number {
  const body = HEADER + (bytes[26] ?? 0);
  return bytes.subarray(HEADER, body).reduce((sum, length) => sum + length, body);
}

/** The CRC-32 of a page, taken without the field that holds it. */
function checksum(page: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    crc = (crc << 8) ^ CRC_32[(crc >>> 24) ^ (i < 22 || i >= 26 ? page[i] : 0)];
  }
  return crc;
}
