import { describe, expect, test } from "vitest";
import { aiffLayout } from "../../src/audio/aiff.ts";
import { readAudio } from "../../src/node.ts";
import { concat, decodeWhole, readWhole } from "./support.ts";

const ascii = (text: string) => new TextEncoder().encode(text);
const u32 = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
const chunk = (id: string, ...parts: Uint8Array[]) => {
  const body = concat(parts);
  return concat([ascii(id), u32(body.length), body, new Uint8Array(body.length % 2)]);
};
const form = (type: string, ...chunks: Uint8Array[]) => chunk("FORM", ascii(type), ...chunks);
const sound = (data: Uint8Array, offset = 0) => chunk("SSND", u32(offset), u32(0), new Uint8Array(offset), data);

/** 80-bit floats. */
const RATES: Record<number, string> = {
  8000: "400bfa00000000000000",
  22254.545454: "400daddd1745d1745d17",
  44100: "400eac44000000000000",
};
const common = (channels: number, frames: number, bits: number, rate = 8000, coding = "") =>
  chunk(
    "COMM",
    Uint8Array.of(0, channels, ...u32(frames), 0, bits),
    Uint8Array.from(Buffer.from(RATES[rate], "hex")),
    ascii(coding && `${coding}\0\0`),
  );
const bytes = (...values: number[]) => Uint8Array.from(values);
const read = (file: Uint8Array) => readWhole(file, aiffLayout(file, "x.aiff"));
const first = (file: Uint8Array) => [...read(file).channels[0]];

describe("encodings, each sample to the bit", () => {
  test.each([
    [8, bytes(0x80, 0xff, 0, 0x7f), [-1, -1 / 128, 0, 127 / 128]],
    [16, bytes(0x80, 0, 0, 1, 0x7f, 0xff), [-1, 1 / 32768, 32767 / 32768]],
    [24, bytes(0x80, 0, 0, 0xff, 0xff, 0xff, 0, 0, 1), [-1, -(2 ** -23), 2 ** -23]],
    [32, bytes(0x80, 0, 0, 0, 0x40, 0, 0, 0), [-1, 0.5]],
    [12, bytes(0x80, 0, 0x40, 0), [-1, 0.5]],
  ])("%i bits are signed, with the high byte first", (bits, data, samples) => {
    expect(first(form("AIFF", common(1, samples.length, bits), sound(data)))).toEqual(samples);
  });

  test.each([
    ["NONE", 16, bytes(0x80, 0, 0, 1), [-1, 1 / 32768]],
    ["twos", 16, bytes(0x80, 0, 0, 1), [-1, 1 / 32768]],
    ["sowt", 16, bytes(0, 0x80, 1, 0), [-1, 1 / 32768]],
    ["sowt", 24, bytes(0, 0, 0x80, 1, 0, 0), [-1, 2 ** -23]],
    ["sowt", 32, bytes(0, 0, 0, 0x80), [-1]],
    ["FL32", 32, bytes(0x3f, 0x80, 0, 0, 0xbe, 0x80, 0, 0), [1, -0.25]],
    ["fl64", 64, bytes(0x3f, 0xf0, 0, 0, 0, 0, 0, 0), [1]],
    ["ulaw", 16, bytes(0, 0xff), [-32124 / 32768, 0]],
    ["alaw", 8, bytes(0xd5), [8 / 32768]],
  ])("AIFF-C of %s", (coding, bits, data, samples) => {
    expect(first(form("AIFC", common(1, samples.length, bits, 8000, coding), sound(data)))).toEqual(samples);
  });

  test("what is compressed otherwise is left to others", async () => {
    const ima = form("AIFC", common(1, 2, 16, 8000, "ima4"), sound(new Uint8Array(68)));
    await expect(decodeWhole(ima, "x.aiff")).rejects.toThrow(
      "x.aiff: an aiff of 1 channels in 16-bit ima4 is not read here",
    );
  });
});

describe("layout", () => {
  const stereo = [common(2, 2, 16, 44100), sound(bytes(0x40, 0, 0x20, 0, 0x10, 0, 8, 0))];
  const channels = [Float32Array.of(0.5, 0.125), Float32Array.of(0.25, 0.0625)];

  test("channels are taken apart, the rate is kept", () => {
    expect(read(form("AIFF", ...stereo))).toEqual({ channels, sampleRate: 44100 });
  });

  test("chunks come in any order; others, of odd length too, are stepped over", () => {
    const other = chunk("NAME", ascii("odd"));
    expect(read(form("AIFF", other, stereo[1], other, stereo[0], other)).channels).toEqual(channels);
  });

  test("the sound may begin later in its chunk, and end before it", () => {
    const data = sound(bytes(0x40, 0, 0x20, 0, 0x10, 0, 8, 0, 1, 1), 6);
    expect(read(form("AIFF", stereo[0], data)).channels).toEqual(channels);
  });
});

test("a rate with a fraction is right within 1 ms per minute", async () => {
  const frames = 22254 * 60 + 33; // of 22254.5454… Hz, the first Macintosh's
  const file = form("AIFF", common(1, frames, 8, 22254.545454), sound(new Uint8Array(frames)));
  expect(read(file).sampleRate).toBeCloseTo(22254.545454, 5);
  const seconds = (await readAudio(file)).length / 16000;
  expect(Math.abs(seconds - frames / 22254.545454)).toBeLessThan(1e-4);
});

describe("damage is one line that names the file", () => {
  const data = sound(bytes(1, 2, 3, 4));
  test.each([
    [
      "no channels",
      form("AIFF", common(0, 2, 16), data),
      "x.aiff: an aiff of 0 channels in 16-bit none is not read here",
    ],
    ["no header", form("AIFF", data), "x.aiff: damaged aiff: it ends before its sound begins"],
    ["no sound", form("AIFF", common(1, 2, 16)), "x.aiff: damaged aiff: it ends before its sound begins"],
    [
      "truncated",
      form("AIFF", common(1, 2, 16), data).subarray(0, -1),
      "x.aiff: truncated aiff: expected 2 samples, got 1",
    ],
    [
      "too short a chunk",
      form("AIFF", common(1, 3, 16), data, data),
      "x.aiff: truncated aiff: expected 3 samples, got 2",
    ],
  ])("%s", async (_, file, message) => {
    await expect(decodeWhole(file, "x.aiff")).rejects.toThrow(message);
  });
});
