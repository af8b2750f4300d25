import { describe, expect, test } from "vitest";
import { containerOf } from "../../src/audio/container.ts";
import { isSphere, sphereLayout } from "../../src/audio/sphere.ts";
import { readAudio } from "../../src/node.ts";
import { chunk, concat, decodeWhole, fixture, format, readWhole, riff, zhHappy } from "./support.ts";

/** A file with the given lines for a header. */
function sphere(lines: readonly string[], data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const header = ["NIST_1A", "   1024", ...lines, "end_head", ""].join("\n").padEnd(1024);
  return concat([new TextEncoder().encode(header), data]);
}

const TIMIT = [
  "database_id -s5 TIMIT",
  "sample_count -i 3",
  "sample_rate -i 16000",
  "channel_count -i 1",
  "sample_n_bytes -i 2",
  "sample_byte_format -s2 01",
];
const DATA = new Uint8Array(Int16Array.of(-32768, 1, 32767).buffer);

describe("files by SoX", () => {
  const expected = Float32Array.from(zhHappy().subarray(8000, 8400), (sample) => sample / 32768);

  test.each(["sphere-le.sph", "sphere-be.sph"])("%s is exact", async (name) => {
    expect(isSphere(fixture(name))).toBe(true);
    expect(containerOf(fixture(name))).toBe("sphere");
    expect(await decodeWhole(fixture(name))).toEqual({ channels: [expected], sampleRate: 16000 });
    expect(await readAudio(fixture(name))).toEqual(expected);
  });

  test("µ-law", async () => {
    const codes = fixture("sphere-ulaw.sph").subarray(1024);
    const wav = riff([chunk("fmt ", format(7, 1, 16000, 8)), chunk("data", codes)]);
    const { channels } = await decodeWhole(fixture("sphere-ulaw.sph"));
    expect(channels).toEqual((await decodeWhole(wav)).channels);
    for (const [i, sample] of channels[0].entries()) {
      expect(Math.abs(sample - expected[i])).toBeLessThan(Math.abs(expected[i]) / 16 + 0.001);
    }
  });
});

describe("headers", () => {
  test("TIMIT's", () => {
    const { channels, sampleRate } = decode(sphere(TIMIT, DATA));
    expect([[...channels[0]], sampleRate]).toEqual([[-1, 1 / 32768, 32767 / 32768], 16000]);
  });

  test("A-law: the smallest code and the largest", () => {
    const lines = ["sample_rate -i 8000", "sample_n_bytes -i 1", "sample_coding -s4 alaw", "sample_count -i 2"];
    const { channels } = decode(sphere(lines, Uint8Array.of(0xd5, 0xaa)));
    expect([...channels[0]]).toEqual([8 / 32768, 32256 / 32768]);
  });

  test("channels are interleaved", () => {
    const lines = ["channel_count -i 2", "sample_rate -i 8000", "sample_count -i 2"];
    const { channels } = decode(sphere(lines, new Uint8Array(Int16Array.of(1, 2, 3, 4).buffer)));
    expect(channels.map((channel) => [...channel].map((x) => x * 32768))).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });

  test("a sample count that is missing means all there is", () => {
    expect(decode(sphere(["sample_rate -i 8000"], DATA)).channels[0]).toHaveLength(3);
    const half = concat([DATA, Uint8Array.of(7)]); // of a sample
    expect(decode(sphere(["sample_rate -i 8000"], half)).channels[0]).toHaveLength(3);
  });
});

describe("what is not read", () => {
  const without = (field: string) => TIMIT.filter((line) => !line.startsWith(field));
  const decodeWith = (line: string) => decodeWhole(sphere([...TIMIT, line], DATA), "a.sph");

  test.each([
    ["shorten", "sample_coding -s26 pcm,embedded-shorten-v2.00", "compressed as pcm,embedded-shorten-v2.00"],
    ["PCM of 8 bits", "sample_n_bytes -i 1", '8-bit pcm in the byte order ""'],
    ["another byte order", "sample_byte_format -s4 1032", '16-bit pcm in the byte order "1032"'],
  ])("%s", async (_, line, message) => {
    await expect(decodeWith(line)).rejects.toThrow(`a.sph: sph ${line.includes(",") ? "" : "of "}${message}`);
  });

  test.each([
    ["no channels", "channel_count -i 0", "channel_count: expected a number from 1 to 64, got 0"],
    ["a count that is no number", "sample_count -i many", "sample_count: expected a number from 1 to "],
  ])("%s", async (_, line, message) => {
    await expect(decodeWith(line)).rejects.toThrow(`a.sph: damaged sph: ${message}`);
  });

  test("what is quoted of a header is short, however long it is", async () => {
    const long = "x".repeat(50_000);
    const file = (line: string) => {
      const header = ["NIST_1A", "   60000", ...TIMIT, line, "end_head", ""].join("\n").padEnd(60_000);
      return new TextEncoder().encode(header);
    };
    for (const line of [
      `sample_coding -s50000 ${long}`,
      `sample_coding -s50001 ,${long}`,
      `sample_byte_format -s50000 ${long}`,
    ]) {
      const error = await decodeWhole(file(line), "a.sph").catch((e: Error) => e);
      expect(error).toMatchObject({
        name: "SenseVoiceError",
        message: expect.stringMatching(/^a\.sph: sph .{20,150}$/),
      });
    }
    const message = `a.sph: sph compressed as ,${"x".repeat(39)} is not read here: decompress it with sph2pipe -p`;
    await expect(decodeWhole(file(`sample_coding -s50001 ,${long}`), "a.sph")).rejects.toThrow(message);
    const huge = new TextEncoder().encode(`NIST_1A\n  900000\n${"y".repeat(900_000)}`);
    await expect(decodeWhole(huge, "a.sph")).rejects.toThrow("a.sph: damaged sph: it has no length of its header");
  });

  test("a header of more than 64 KiB", () => {
    const file = (length: number) => {
      const header = ["NIST_1A", `  ${length}`, ...TIMIT, "end_head", ""].join("\n").padEnd(length);
      return concat([new TextEncoder().encode(header), DATA]);
    };
    expect(decode(file(65536)).channels[0]).toHaveLength(3);
    expect(() => decode(file(65537))).toThrow("a.sph: damaged sph: it has no length of its header");
  });

  test("no sample rate", () => {
    expect(() => decode(sphere(without("sample_rate"), DATA))).toThrow("sample_rate: expected a number");
  });

  test("a file that is cut in its sound or its header", () => {
    expect(() => decode(sphere(TIMIT, DATA.subarray(0, 4)))).toThrow("a.sph: truncated sph: expected 3 samples, got 2");
    expect(() => decode(sphere(TIMIT).subarray(0, 500))).toThrow("a.sph: damaged sph: it has no length");
  });
});

function decode(bytes: Uint8Array) {
  return readWhole(bytes, sphereLayout(bytes, "a.sph"));
}
