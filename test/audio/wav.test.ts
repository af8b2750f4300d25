import { describe, expect, test } from "vitest";
import { isWav, wavHeader, wavLayout } from "../../src/audio/wav.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { chunk, concat, fixture, format, readWhole, riff } from "./support.ts";

const int = (array: Int16Array | Int32Array | Float32Array | Float64Array) => new Uint8Array(array.buffer);
const decode = (bytes: Uint8Array) => readWhole(bytes, wavLayout(bytes, "x.wav"));
const mono = (tag: number, bits: number, data: Uint8Array) => [
  ...decode(riff([chunk("fmt ", format(tag, 1, 16000, bits)), chunk("data", data)])).channels[0],
];
/** Three 16-bit samples, and the values they stand for. */
const DATA = chunk("data", int(Int16Array.of(-32768, 1, 32767)));
const VALUES = [-1, 1 / 32768, 32767 / 32768];
const FMT = chunk("fmt ", format(1, 1, 16000, 16));

describe("encodings, each sample to the bit", () => {
  test("PCM of 8 bits is unsigned", () => {
    expect(mono(1, 8, Uint8Array.of(0, 127, 128, 255))).toEqual([-1, -1 / 128, 0, 127 / 128]);
  });

  test("every 16-bit sample s is s/32768", () => {
    const all = Int16Array.from({ length: 65536 }, (_, i) => i - 32768);
    expect(mono(1, 16, int(all))).toEqual(Array.from(all, (s) => s / 32768));
  });

  test("PCM of 24 bits", () => {
    const bytes = Uint8Array.of(0, 0, 0x80, 0xff, 0xff, 0xff, 1, 0, 0, 0xff, 0xff, 0x7f);
    expect(mono(1, 24, bytes)).toEqual([-1, -(2 ** -23), 2 ** -23, 1 - 2 ** -23]);
  });

  test("PCM of 32 bits", () => {
    expect(mono(1, 32, int(Int32Array.of(-(2 ** 31), 1, 2 ** 30)))).toEqual([-1, 2 ** -31, 0.5]);
  });

  test("float of 32 and 64 bits, beyond full scale too", () => {
    expect(mono(3, 32, int(Float32Array.of(-0.1, 1.5)))).toEqual([Math.fround(-0.1), 1.5]);
    expect(mono(3, 64, int(Float64Array.of(-0.1, 1.5)))).toEqual([Math.fround(-0.1), 1.5]);
  });

  test.each([
    ["A-law", 6, "g711-alaw.i16"],
    ["µ-law", 7, "g711-ulaw.i16"],
  ])("every code of %s is what libsndfile makes of it", (_, tag, golden) => {
    const codes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const expected = new Int16Array(fixture(golden).buffer);
    expect(mono(tag, 8, codes)).toEqual(Array.from(expected, (s) => s / 32768));
  });

  test("WAVE_FORMAT_EXTENSIBLE takes its encoding from the sub-format", () => {
    const extension = new Uint8Array(24);
    extension.set([22, 0, 32, 0, 4, 0, 0, 0, 3, 0]); // size, valid bits, speaker mask, sub-format 3: float
    const fmt = chunk("fmt ", concat([format(0xfffe, 1, 16000, 32), extension]));
    const data = chunk("data", int(Float32Array.of(0.25, -0.5)));
    expect([...decode(riff([fmt, data])).channels[0]]).toEqual([0.25, -0.5]);
  });

  test("an encoding that is not among these is left to others", () => {
    const ima = riff([chunk("fmt ", format(0x11, 1, 16000, 8)), chunk("data", new Uint8Array(8))]);
    expect(wavLayout(ima, "x.wav")).toBe("a wav of an encoding that is not read here");
  });
});

describe("layout", () => {
  test("channels are taken apart, the rate is kept", () => {
    const data = chunk("data", int(Int16Array.of(1, 2, 3, 4, 5, 6)));
    const { channels, sampleRate } = decode(riff([chunk("fmt ", format(1, 3, 12345, 16)), data]));
    expect(sampleRate).toBe(12345);
    expect(channels.map((c) => Array.from(c, (x) => x * 32768))).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
  });

  test("other chunks, of odd length too, are stepped over, before the data and after", () => {
    const list = chunk("LIST", new TextEncoder().encode("INFOISFT\x05\0\0\0Lavf\0"));
    expect(list.length % 2).toBe(0);
    expect([...decode(riff([list, FMT, list, DATA, list])).channels[0]]).toEqual(VALUES);
  });

  test("an odd byte at the end of the data is no sample", () => {
    const odd = chunk("data", concat([int(Int16Array.of(-32768, 1, 32767)), Uint8Array.of(7)]));
    expect([...decode(riff([FMT, odd])).channels[0]]).toEqual(VALUES);
  });

  test("RF64 and BW64 give the length in ds64", () => {
    const ds64 = new DataView(new ArrayBuffer(28));
    ds64.setBigUint64(8, 6n, true);
    const chunks = [chunk("ds64", new Uint8Array(ds64.buffer)), FMT, chunk("data", DATA.slice(8), 0xffffffff), FMT];
    for (const id of ["RF64", "BW64"]) {
      const file = riff(chunks, id, 0xffffffff);
      expect(isWav(file)).toBe(true);
      expect([...decode(file).channels[0]]).toEqual(VALUES);
    }
  });

  test("the length in ds64 has 64 bits, and comes after that of the file", () => {
    const file = (bytes: number, length: bigint) => {
      const ds64 = new DataView(new ArrayBuffer(bytes));
      ds64.setBigUint64(0, 99n, true);
      ds64.setBigUint64(8, length, true);
      const data = chunk("data", DATA.slice(8), 0xffffffff);
      return riff([chunk("ds64", new Uint8Array(ds64.buffer)), FMT, data], "RF64", 0xffffffff);
    };
    expect(wavLayout(file(16, 4n), "x.wav")).toMatchObject({ frames: 2, start: 68, frameBytes: 2 });
    expect(wavLayout(file(28, 6n), "x.wav")).toMatchObject({ frames: 3, start: 80 });
    expect(() => wavLayout(file(28, 7n), "x.wav")).toThrow("expected 7 bytes of sound, got 6");
    expect(() => wavLayout(file(28, 2n ** 32n + 6n), "x.wav")).toThrow("expected 4294967302 bytes of sound, got 6");
  });

  test.each([0, 0xffffffff, 0x7ffff000])("data of unknown length (%i) goes to the end of the file", (length) => {
    const file = riff([FMT, chunk("data", DATA.slice(8), length)], "RIFF", 0xffffffff);
    expect([...decode(file).channels[0]]).toEqual(VALUES);
  });

  test("a header for sound of unknown length: what follows is sound, in its encoding, rate and channels", () => {
    const samples = [0.5, -0.25, -1, 0, 0.125, 0.75];
    const pcm = int(Int16Array.from(samples, (x) => x * 32768));
    const mono = concat([wavHeader({ encoding: "s16le", rate: 8000, channels: 1 }), pcm]);
    expect(mono.length).toBe(44 + pcm.length);
    expect(isWav(mono)).toBe(true);
    expect(decode(mono)).toEqual({ channels: [Float32Array.from(samples)], sampleRate: 8000 });
    const floats = int(Float32Array.from(samples));
    const stereo = concat([wavHeader({ encoding: "f32le", rate: 192_000, channels: 2 }), floats]);
    expect(decode(stereo)).toEqual({
      channels: [Float32Array.of(0.5, -1, 0.125), Float32Array.of(-0.25, 0, 0.75)],
      sampleRate: 192_000,
    });
    expect(new DataView(stereo.buffer).getUint32(28, true)).toBe(192_000 * 2 * 4); // bytes a second
  });

  test("data of length 0 in a file that is whole has no samples", () => {
    const file = riff([FMT, chunk("data", new Uint8Array(0)), chunk("LIST", new Uint8Array(8))]);
    expect(wavLayout(file, "x.wav")).toMatchObject({ frames: 0 });
  });

  test("bytes that are a part of a larger buffer", () => {
    const file = riff([FMT, DATA]);
    const inside = concat([new Uint8Array(3), file, new Uint8Array(5)]).subarray(3, 3 + file.length);
    expect([...decode(inside).channels[0]]).toEqual(VALUES);
  });
});

describe("damage is one line that names the file", () => {
  const whole = riff([FMT, DATA]);
  test.each([
    ["truncated", whole.subarray(0, -1), "x.wav: truncated wav: expected 6 bytes of sound, got 5"],
    ["only a header", whole.subarray(0, 40), "x.wav: damaged wav: it ends before its data begins"],
    ["no format", riff([DATA]), "x.wav: damaged wav: its data comes before its format"],
    [
      "a short format",
      riff([chunk("fmt ", new Uint8Array(8)), DATA]),
      "x.wav: damaged wav: expected a format of 16 bytes, got 8",
    ],
    [
      "no channels",
      riff([chunk("fmt ", format(1, 0, 16000, 16)), DATA]),
      "x.wav: damaged wav: 0 channels in frames of 0 bytes",
    ],
  ])("%s", (_, bytes, message) => {
    expect(() => wavLayout(bytes, "x.wav")).toThrow(new SenseVoiceError(message));
  });
});

describe("headers that say less than there is", () => {
  const header = riff([FMT, chunk("data", new Uint8Array(8))]).subarray(0, 44);

  test("a length that began again at 4 GiB is what the file has beyond", () => {
    const length = 44 + 8 + 2 ** 32 + 100;
    expect(wavLayout(header, "x.wav", length)).toMatchObject({ frames: (2 ** 32 + 8) / 2 });
    expect(wavLayout(header, "x.wav", 44 + 8 + 100)).toMatchObject({ frames: 4 });
  });

  test("more bits than a frame has room for are refused", () => {
    const wrong = riff([chunk("fmt ", format(1, 1, 16000, 16)), DATA]).slice();
    new DataView(wrong.buffer).setUint16(34, 24, true);
    expect(() => wavLayout(wrong, "x.wav")).toThrow("x.wav: damaged wav: 1 channels of 24 bits in frames of 2 bytes");
  });
});
