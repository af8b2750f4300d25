import { describe, expect, test } from "vitest";
import { type Container, checkComplete, containerOf, id3Length, soundEnd } from "../../src/audio/container.ts";
import { concat } from "./support.ts";

const ascii = (text: string) => new TextEncoder().encode(text);
const u32 = (...values: number[]) => Uint8Array.from(values.flatMap((v) => [v >>> 24, v >>> 16, v >>> 8, v]));
const zeros = (length: number) => new Uint8Array(length);

/** The file passes whole and with more behind it, and is refused with one byte less than `least`. */
function expectLength(container: Container, file: Uint8Array, least = file.length): void {
  expect(containerOf(file)).toBe(container);
  expect(() => checkComplete(file, container, "x")).not.toThrow();
  expect(() => checkComplete(concat([file, zeros(5)]), container, "x")).not.toThrow();
  expect(() => checkComplete(file.subarray(0, least), container, "x")).not.toThrow();
  expect(() => checkComplete(file.subarray(0, least - 1), container, "x")).toThrow(
    `x: truncated ${container}: expected ${least} bytes or more, got ${least - 1}`,
  );
}

describe("mp4", () => {
  const ftyp = concat([u32(16), ascii("ftypM4A "), zeros(4)]);

  test("ends with its last box", () => {
    expectLength("mp4", concat([ftyp, u32(20), ascii("mdat"), zeros(12), u32(12), ascii("free"), zeros(4)]));
  });

  test("a box may have a length of 64 bits", () => {
    expectLength("mp4", concat([ftyp, u32(1), ascii("mdat"), u32(0, 30), zeros(14)]));
    const huge = concat([ftyp, u32(1), ascii("mdat"), u32(1, 0), zeros(14)]);
    expect(() => checkComplete(huge, "mp4", "x")).toThrow(`expected ${2 ** 32 + 16} bytes or more, got ${huge.length}`);
  });

  test("a box of length 0 goes to the end", () => {
    expect(() => checkComplete(concat([ftyp, u32(0), ascii("mdat")]), "mp4", "x")).not.toThrow();
  });
});

describe("webm", () => {
  const ebml = concat([u32(0x1a45dfa3), Uint8Array.of(0x84), zeros(4)]);
  const segment = (...size: number[]) => concat([ebml, u32(0x18538067), Uint8Array.from(size)]);

  test.each([
    ["one byte", [0x80 + 9]],
    ["two bytes", [0x40, 9]],
    ["four bytes", [0x10, 0, 0, 9]],
    ["eight bytes", [1, 0, 0, 0, 0, 0, 0, 9]],
  ])("ends with its segment, whose length has %s", (_, size) => {
    expectLength("webm", concat([segment(...size), zeros(9)]));
  });

  test("a length of several bytes is a number", () => {
    const file = segment(0x40 + 1, 2);
    expect(() => checkComplete(file, "webm", "x")).toThrow(`expected ${file.length + 258} bytes or more`);
  });

  test.each([[[0xff]], [[0x7f, 0xff]], [[1, 255, 255, 255, 255, 255, 255, 255]]])(
    "from a live recording tells no length: %j",
    (size) => {
      expect(() => checkComplete(segment(...size), "webm", "x")).not.toThrow();
    },
  );

  test.each([[[]], [[0x40]], [[0x10, 0, 0]], [[1, 0, 0, 0, 0, 0, 0]]])(
    "that ends within its segment's length tells none: %j",
    (size) => {
      expect(() => checkComplete(segment(...size), "webm", "x")).not.toThrow();
    },
  );
});

describe("mp3", () => {
  const xing = (second: number, fourth: number, side: number, flags: number, mark = "Xing") =>
    concat([
      Uint8Array.of(0xff, second, 0x90, fourth),
      zeros(side),
      ascii(mark),
      u32(flags, ...(flags & 1 ? [77] : []), ...(flags & 2 ? [2000] : [])),
      zeros(2000),
    ]).subarray(0, 2000);

  test.each([
    ["MPEG 1 stereo", 0xfb, 0x00, 32, 3],
    ["MPEG 1 mono", 0xfb, 0xc0, 17, 3],
    ["MPEG 2 stereo", 0xf3, 0x00, 17, 3],
    ["MPEG 2 mono", 0xf3, 0xc0, 9, 3],
    ["without the number of frames", 0xfb, 0x00, 32, 2],
  ])("has the length of its Xing header but for a frame: %s", (_, second, fourth, side, flags) => {
    expectLength("mp3", xing(second, fourth, side, flags), 2000 - 1441);
    expectLength("mp3", xing(second, fourth, side, flags, "Info"), 2000 - 1441);
    const tag = concat([ascii("ID3"), Uint8Array.of(4, 0, 0, 0, 0, 1, 2), zeros(130)]);
    expectLength("mp3", concat([tag, xing(second, fourth, side, flags)]), 140 + 2000 - 1441);
  });

  test("tells no length where the header has none", () => {
    for (const file of [xing(0xfb, 0, 32, 1), xing(0xfb, 0xc0, 32, 3), xing(0xfb, 0, 32, 3, "LAME")]) {
      expect(() => checkComplete(file.subarray(0, 500), "mp3", "x")).not.toThrow();
    }
  });

  test("tags around it are known by their lengths", () => {
    const header = (flags: number) => concat([ascii("ID3"), Uint8Array.of(4, 0, flags, 1, 2, 3, 4), zeros(9)]);
    const size = ((1 * 128 + 2) * 128 + 3) * 128 + 4;
    expect(id3Length(header(0))).toBe(10 + size);
    expect(id3Length(header(0x10))).toBe(20 + size);
    expect(id3Length(zeros(20))).toBe(0);

    const sound = zeros(500);
    const ape = concat([zeros(68), ascii("APETAGEX"), Uint8Array.of(208, 7, 0, 0, 100, 0, 0, 0), zeros(16)]);
    const id3 = concat([ascii("TAG"), zeros(125)]);
    expect(soundEnd(sound)).toBe(500);
    expect(soundEnd(concat([sound, id3]))).toBe(500);
    expect(soundEnd(concat([sound, ape]))).toBe(500);
    expect(soundEnd(concat([sound, ape, id3]))).toBe(500);
    expect(soundEnd(zeros(3))).toBe(3);
  });
});
