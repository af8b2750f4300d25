import { afterEach, describe, expect, test, vi } from "vitest";
import { flacFrames } from "../../src/audio/flac.ts";
import { concat, decodeWhole, FIRST, fixture, floats, LAST, oggPage, pagesOf, zhHappy } from "./support.ts";

/** What was encoded: see fixtures/README.md. */
const source = Float32Array.from(zhHappy().subarray(4800, 20800), (s) => s / 32768);

/** Without its number of samples, as an encoder writes it to a pipe. `info` is the place of STREAMINFO. */
function unknownTotal(bytes: Uint8Array, info: number): Uint8Array {
  const out = bytes.slice();
  out[info + 13] &= 0xf0;
  return out.fill(0, info + 14, info + 34);
}

const native = fixture("clip.flac");
const pipe = unknownTotal(native, 8);
const frames = [...flacFrames(native, "clip")];
const start = native.length - frames.reduce((sum, frame) => sum + frame.length, 0);
const damaged = /^bad: truncated or damaged flac: expected more samples, got \d+$/;

const print = vi.spyOn(console, "error");
afterEach(() => {
  expect(print).not.toHaveBeenCalled();
});

describe("native, of unknown length", () => {
  const refused = (bytes: Uint8Array) => expect(decodeWhole(bytes, "bad")).rejects.toThrow(damaged);

  test("a whole file is exact", async () => {
    expect(await decodeWhole(pipe)).toEqual({ channels: [source], sampleRate: 16000 });
    expect(frames).toHaveLength(14);
  });

  test("any flipped bit in a frame", async () => {
    for (let at = start; at < pipe.length; at += at < start + 16 ? 1 : 7) {
      const bytes = pipe.slice();
      bytes[at] ^= 1 << (at % 8);
      expect(() => [...flacFrames(bytes, "bad")]).toThrow(damaged);
      if (at % 1000 === 0) await refused(bytes);
    }
  });

  test("a cut inside a frame", async () => {
    for (const length of [start + 1, start + 9, pipe.length >> 1, pipe.length - 1]) {
      await refused(pipe.subarray(0, length));
    }
  });

  test("a frame that is missing, or there twice", async () => {
    const head = pipe.subarray(0, start);
    await refused(concat([head, ...frames.slice(0, 5), ...frames.slice(6)]));
    await refused(concat([head, ...frames.slice(1)]));
    await refused(concat([head, ...frames.slice(0, 5), ...frames.slice(4)]));
  });

  test("something behind the last frame, if it is no tag", async () => {
    await refused(concat([pipe, Uint8Array.of(1, 2, 3)]));
    const tag = new Uint8Array(128);
    tag.set([0x54, 0x41, 0x47]);
    expect((await decodeWhole(concat([pipe, tag]))).channels).toEqual([source]);
  });
});

test("a header that says more or fewer samples than there are", async () => {
  for (const [byte, samples] of [
    [0x3f, 15935],
    [0x81, 16001],
  ]) {
    const bytes = native.slice();
    bytes[8 + 17] = byte; // of 16000 = 0x3e80
    bytes[8 + 16] = samples >> 8;
    await expect(decodeWhole(bytes, "bad")).rejects.toThrow(
      `bad: truncated or damaged flac: expected ${(samples & 0xff00) + byte} samples, got 16000`,
    );
  }
});

test("a number of samples that takes all of its 36 bits", async () => {
  const bytes = native.slice();
  bytes[8 + 13] |= 0x0f;
  await expect(decodeWhole(bytes, "bad")).rejects.toThrow(`expected ${15 * 2 ** 32 + 16000} samples, got 16000`);
});

test("frames of varying length, whose numbers count samples", async () => {
  const varying = frames.map((frame, i) => renumber(frame, i * 1152));
  const head = pipe.subarray(0, start);
  expect([...flacFrames(concat([head, ...varying]), "x")]).toHaveLength(14);
  expect(await decodeWhole(concat([head, ...varying]))).toEqual({ channels: [source], sampleRate: 16000 });
  await expect(decodeWhole(concat([head, ...varying.slice(0, 5), ...varying.slice(6)]), "bad")).rejects.toThrow(
    "bad: truncated or damaged flac: expected more samples, got 5760",
  );
});

/** A frame of the fixture, with a one-byte number, as one of a stream of varying frames: number and checksums anew. */
function renumber(frame: Uint8Array, number: number): Uint8Array {
  const code =
    number < 128
      ? [number]
      : number < 2048
        ? [0xc0 | (number >> 6)]
        : [0xe0 | (number >> 12), 0x80 | ((number >> 6) & 63)];
  if (number >= 128) code.push(0x80 | (number & 63));
  // The length of the last frame, which is shorter, stands in two bytes behind the number.
  const tail = frame[2] >> 4 === 7 ? 7 : frame[2] >> 4 === 6 ? 6 : 5;
  const header = Uint8Array.of(0xff, 0xf9, frame[2], frame[3], ...code, ...frame.subarray(5, tail));
  const body = concat([header, Uint8Array.of(crc(header, 8, 0x07)), frame.subarray(tail + 1, -2)]);
  const sum = crc(body, 16, 0x8005);
  return concat([body, Uint8Array.of(sum >> 8, sum & 255)]);
}

function crc(bytes: Uint8Array, bits: number, polynomial: number): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << (bits - 8);
    for (let i = 0; i < 8; i++) sum = (sum << 1) ^ ((sum >> (bits - 1)) & 1 ? polynomial : 0);
    sum &= 2 ** bits - 1;
  }
  return sum;
}

describe("frame headers", () => {
  /** A frame of silence: a constant of 16 bits. `extra` is what the codes of size and rate say stands in the header. */
  const silence = (size: number, extra: readonly number[] = [], rate = 0) => {
    const header = Uint8Array.of(0xff, 0xf8, (size << 4) | rate, 8, 0, ...extra);
    const body = concat([header, Uint8Array.of(crc(header, 8, 0x07), 0, 0, 0)]);
    const sum = crc(body, 16, 0x8005);
    return concat([body, Uint8Array.of(sum >> 8, sum & 255)]);
  };
  /** A file of the frame, whose STREAMINFO tells so many samples. */
  const file = (frame: Uint8Array, samples: number) => {
    const info = new Uint8Array(42);
    info.set([0x66, 0x4c, 0x61, 0x43, 0x80, 0, 0, 34]);
    new DataView(info.buffer).setUint32(22, samples);
    return concat([info, frame]);
  };

  test.each([
    [1, 192, []],
    [2, 576, []],
    [3, 1152, []],
    [5, 4608, []],
    [6, 200, [199]],
    [7, 0x1235, [0x12, 0x34]],
    [8, 256, []],
    [15, 32768, []],
  ])("size %i is %i samples", (size, samples, extra) => {
    const frame = silence(size, extra);
    expect([...flacFrames(file(frame, samples), "x")]).toEqual([frame]);
    expect(() => [...flacFrames(file(frame, samples + 1), "x")]).toThrow(
      `expected ${samples + 1} samples, got ${samples}`,
    );
  });

  test.each([
    [11, []],
    [12, [48]],
    [13, [0x3e, 0x80]],
    [14, [0x06, 0x40]],
  ])("rate %i is followed by its bytes", (rate, extra) => {
    const frame = silence(1, extra, rate);
    expect([...flacFrames(file(frame, 192), "x")]).toEqual([frame]);
  });

  test("size 0 is reserved", () => {
    expect(() => [...flacFrames(file(silence(0), 0), "bad")]).toThrow(damaged);
  });
});

describe("in Ogg", () => {
  const file = fixture("clip-flac.ogg");
  const [head, tags] = pagesOf(file);
  const unknown = head.subarray(28);
  const known = concat([unknown.subarray(0, 17), native.subarray(8, 42)]); // with the native file's STREAMINFO
  const comment = tags.subarray(27 + tags[26]);
  /** A stream of these frames, two to a page. */
  const ogg = (frames: readonly Uint8Array[], first = unknown, stream = 7) => {
    const pages = [oggPage([first], { flags: FIRST, stream }), oggPage([comment], { number: 1, stream })];
    for (let i = 0; i < frames.length; i += 2) {
      const position = Math.min(16000, 1152 * (i + 2));
      const flags = i + 2 < frames.length ? 0 : LAST;
      pages.push(oggPage(frames.slice(i, i + 2), { position, flags, stream, number: pages.length }));
    }
    return concat(pages);
  };

  test("its frames are those of a native file, in the file by ffmpeg and in one made here", async () => {
    expect([...flacFrames(file, "clip")]).toEqual(frames);
    for (const first of [known, unknown]) {
      expect(await decodeWhole(ogg(frames, first))).toEqual({ channels: [source], sampleRate: 16000 });
    }
  });

  test("damaged frames in pages with the right checksums", async () => {
    for (let i = 0; i < frames.length; i++) {
      for (const at of [0, 1, 4, 5, 100, frames[i].length - 1]) {
        const bad = frames.map((frame) => frame.slice());
        bad[i][at] ^= 0x20;
        await expect(decodeWhole(ogg(bad), "bad")).rejects.toThrow(damaged);
      }
    }
  });

  test("a frame that is missing", async () => {
    const without = (i: number) => frames.toSpliced(i, 1);
    await expect(decodeWhole(ogg(without(5)), "bad")).rejects.toThrow(damaged);
    await expect(decodeWhole(ogg(without(13), known), "bad")).rejects.toThrow(
      "bad: truncated or damaged flac: expected 16000 samples, got 14976",
    );
  });

  test("a broadcast, recorded from its fifth frame on", async () => {
    const { channels } = await decodeWhole(ogg(frames.slice(4)));
    expect(channels).toEqual([source.subarray(4 * 1152)]);
  });

  test("one stream after another", async () => {
    const chained = concat([ogg(frames, known, 1), ogg(frames, known, 2)]);
    expect((await decodeWhole(chained)).channels).toEqual([floats([source, source])]);
    const short = concat([ogg(frames.slice(0, 3), known, 1), ogg(frames, known, 2)]);
    await expect(decodeWhole(short, "bad")).rejects.toThrow("expected 16000 samples, got 3456");
  });
});
