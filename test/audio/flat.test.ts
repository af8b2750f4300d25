import { expect, test } from "vitest";
import { flacFrames } from "../../src/audio/flac.ts";
import { streamSound } from "../../src/audio/source.ts";
import { chunk, concat, fixture, format, pagesOf, riff, sealPage } from "./support.ts";

/** Megabytes by which memory may grow, whatever the length: decoders, buffers, and what waits to be collected. */
const LIMIT = 100;
/** Samples at 16 kHz. */
const HOUR = 3600 * 16000;

/** Samples of the sound, and megabytes of memory that hearing it took at most. */
async function hear(file: Iterable<Uint8Array>): Promise<{ samples: number; megabytes: number }> {
  const start = process.memoryUsage().rss;
  let [samples, rss, pieces] = [0, start, 0];
  for await (const piece of streamSound(file)) {
    samples += piece.length;
    if (pieces++ % 64 === 0) rss = Math.max(rss, process.memoryUsage().rss);
  }
  return { samples, megabytes: (rss - start) / 1e6 };
}

test("10 hours of wav, 1.15 GB", async () => {
  const head = riff([chunk("fmt ", format(1, 1, 16000, 16)), chunk("data", new Uint8Array(0), 20 * HOUR)]);
  function* file() {
    yield head;
    const second = new Uint8Array(32000).fill(3);
    for (let i = 0; i < 36_000; i++) yield second;
  }
  const { samples, megabytes } = await hear(file());
  expect(samples).toBe(10 * HOUR);
  expect(megabytes).toBeLessThan(LIMIT);
});

const crc16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let i = 0; i < 8; i++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x8005 : 0)) & 0xffff;
  return crc;
});

/** A frame, whose number takes one byte, with another number: coded as UTF-8 codes a character, and both sums anew. */
function renumber(frame: Uint8Array, number: number): Uint8Array {
  const code = new TextEncoder().encode(String.fromCodePoint(number));
  const header = concat([frame.subarray(0, 4), code, frame.subarray(5, 6)]);
  const out = concat([header, frame.subarray(6)]);
  let crc = 0;
  for (const byte of header.subarray(0, -1)) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = ((crc << 1) ^ (crc & 0x80 ? 0x07 : 0)) & 0xff;
  }
  out[header.length - 1] = crc;
  let sum = 0;
  for (let i = 0; i < out.length - 2; i++) sum = ((sum << 8) & 0xffff) ^ crc16[(sum >> 8) ^ out[i]];
  out.set([sum >> 8, sum & 255], out.length - 2);
  return out;
}

test("flac of more than an hour", async () => {
  const clip = fixture("clip.flac");
  const frames = [...flacFrames(clip, "clip")].slice(0, 13); // of 1152 samples; the last one is shorter
  const start = clip.subarray(0, clip.indexOf(0xff, 42));
  const count = 0xd800; // beyond are no characters for a while
  function* file() {
    yield start.map((byte, i) => (i >= 21 && i < 26 ? (i === 21 ? byte & 0xf0 : 0) : byte)); // of unknown length
    for (let i = 0; i < count; i++) yield renumber(frames[i % 13], i);
  }
  const { samples, megabytes } = await hear(file());
  expect(samples).toBe(count * 1152);
  expect(samples).toBeGreaterThan(HOUR);
  expect(megabytes).toBeLessThan(LIMIT);
});

test("an hour of mp3", async () => {
  const clip = fixture("clip.mp3");
  const body = clip.subarray(200); // without its tag and its Xing frame
  const { samples, megabytes } = await hear(Array<Uint8Array>(3600).fill(body));
  expect(samples).toBeGreaterThan(HOUR);
  expect(megabytes).toBeLessThan(LIMIT);
});

test("an hour of ogg", async () => {
  const pages = pagesOf(fixture("clip.ogg"));
  function* file() {
    yield* pages.slice(0, 2);
    for (let i = 0; i < 3700; i++) {
      const page = pages[2].slice();
      const view = new DataView(page.buffer);
      view.setBigInt64(6, BigInt(15872 * (i + 1)), true);
      view.setUint32(18, i + 2, true);
      yield sealPage(page);
    }
  }
  const { samples, megabytes } = await hear(file());
  expect(samples).toBeGreaterThan(HOUR);
  expect(megabytes).toBeLessThan(LIMIT);
});
