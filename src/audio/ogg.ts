import { SenseVoiceError } from "../error.ts";
import { crcTable, join, latin1 } from "./bytes.ts";
import { id3Length } from "./container.ts";

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
export function* oggPages(bytes: Uint8Array, name: string): Generator<Uint8Array> {
  let [stream, pages, number] = [0, 0, 0];
  let ended = false;
  for (const { at, page, view } of walk(bytes)) {
    if (latin1(page, 0, 4) !== "OggS" || (view && view.getInt32(22, true) !== checksum(page))) {
      throw new SenseVoiceError(`${name}: damaged ogg: the page at byte ${at} fails its checksum`);
    }
    if (!view) throw new SenseVoiceError(`${name}: truncated ogg: it ends inside the page at byte ${at}`);
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
    let start = HEADER + page[26];
    let end = start;
    for (const length of page.subarray(HEADER, start)) {
      end += length;
      if (length === 255) continue;
      yield join([...parts, page.subarray(start, end)]);
      [parts, start] = [[], end];
    }
    parts.push(page.subarray(start, end));
  }
}

/** Samples from the first page with a position to the last one, unchecked; 0 if they are of different streams. */
export function oggSamples(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const position = (at: number) => (at + HEADER <= bytes.length ? Number(view.getBigInt64(at + 6, true)) : 0);
  let last = bytes.length;
  do last = bytes.lastIndexOf(0x4f, last - 1);
  while (last > 0 && latin1(bytes, last, last + 4) !== "OggS");
  for (const { at } of walk(bytes)) {
    if (position(at) <= 0) continue;
    const same = position(last) > 0 && view.getUint32(at + 14) === view.getUint32(last + 14);
    return same ? position(last) - position(at) : 0;
  }
  return 0;
}

/** Pages by the lengths in their headers; without a view the last one if it is cut. */
function* walk(bytes: Uint8Array): Generator<{ at: number; page: Uint8Array; view?: DataView }> {
  for (let at = id3Length(bytes), end = at; at < bytes.length; at = end) {
    const body = at + HEADER + (bytes[at + 26] ?? 0);
    end = bytes.subarray(at + HEADER, body).reduce((sum, length) => sum + length, body);
    const page = bytes.subarray(at, end);
    const whole = page.length === end - at;
    yield { at, page, view: whole ? new DataView(page.buffer, page.byteOffset, page.length) : undefined };
  }
}

/** The CRC-32 of a page, taken without the field that holds it. */
function checksum(page: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    crc = (crc << 8) ^ CRC_32[(crc >>> 24) ^ (i < 22 || i >= 26 ? page[i] : 0)];
  }
  return crc;
}
