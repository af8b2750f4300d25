import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { randomTensor } from "../../scripts/random-weights.ts";
import { type Fbank, openFbank } from "../../src/audio/fastFbank.ts";
import { fbank } from "../../src/audio/fbank.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";
import { zhHappy } from "./support.ts";

const usual = { sampleRate: 16000, mels: 80, frameLengthMs: 25, frameShiftMs: 10, lfrM: 7, lfrN: 6 };
const speech = Float32Array.from(zhHappy(), (s) => s / 32768);
const noise = randomTensor("sound", [30_000], { scale: 0.5 }).data;
const tone = Float32Array.from({ length: 20_000 }, (_, i) => 0.9 * Math.sin(i / 7));

/** Whether WebAssembly makes the frames: it is asked for none of the plain path's FFTs. */
const { transforms } = vi.hoisted(() => ({ transforms: { count: 0 } }));
vi.mock("fft.js", async (load) => {
  const { default: FFT } = await load<{ default: new (size: number) => { realTransform(...args: unknown[]): void } }>();
  return {
    default: class extends FFT {
      override realTransform(...args: unknown[]): void {
        transforms.count++;
        super.realTransform(...args);
      }
    },
  };
});
function transformsOf(work: () => unknown): number {
  transforms.count = 0;
  work();
  return transforms.count;
}

describe("WebAssembly against the plain path", () => {
  test.each([
    ["25 ms every 10", {}],
    ["an odd number of samples a window, 24 kHz", { sampleRate: 24_050, frameLengthMs: 20 }],
    ["a window as long as the FFT", { frameLengthMs: 32 }],
    ["a window just longer than half the FFT", { sampleRate: 257_000, frameLengthMs: 1, frameShiftMs: 1 }],
    ["every millisecond", { frameShiftMs: 1 }],
    ["frames apart", { frameShiftMs: 61 }],
    ["8 mels", { mels: 8 }],
    ["more mels than bins: some are empty", { mels: 300 }],
  ])("%s", async (_, change) => {
    const config = { ...usual, ...change };
    const fast = await openFbank(config);
    for (const pcm of [speech, noise, tone]) {
      let got = new Float32Array();
      expect(
        transformsOf(() => {
          got = Float32Array.from(fast(pcm));
        }),
      ).toBe(0);
      expect(relativeError(got, fbank(pcm, config), 1)).toBeLessThan(TOLERANCE.f32);
    }
  });

  test("any number of frames, none of which depends on another", async () => {
    const fast = await openFbank(usual);
    const all = fast(noise);
    for (const frames of [1, 2, 3, 63, 64, 65, 127, 129]) {
      const pcm = noise.subarray(160, 160 + (frames - 1) * 160 + 400 + 159);
      expect(fast(pcm)).toEqual(all.subarray(80, 80 * (frames + 1)));
    }
    const holed = noise.slice();
    holed.fill(Number.NaN, 10_000, 10_001);
    fast(holed); // leaves nothing behind in the module's memory
    expect(fast(noise)).toEqual(all);
  });

  test("silence and a constant are the floor; the largest numbers of f32 have a finite energy", async () => {
    const fast = await openFbank(usual);
    for (const value of [0, 0.5, -1]) {
      const pcm = new Float32Array(800).fill(value);
      expect(fast(pcm)).toEqual(fbank(pcm, usual));
    }
    const loud = noise.subarray(0, 2000).map((x) => Math.sign(x) * 3.4e38);
    expect(relativeError(fast(loud), fbank(loud, usual), 1)).toBeLessThan(TOLERANCE.f32);
  });

  test("two configurations do not disturb each other", async () => {
    const other = { ...usual, frameLengthMs: 30, mels: 40 };
    const [first, second] = [await openFbank(usual), await openFbank(other)];
    const [a, b] = [first(noise), second(noise)];
    expect(first(noise)).toEqual(a);
    expect(second(noise)).toEqual(b);
    expect(await openFbank(usual)).toBe(first);
  });
});

test("in a browser the module is fetched from beside the script", async () => {
  const bytes = readFileSync(new URL("../../src/audio/fbank.wasm", import.meta.url));
  const fetched = vi.fn(async (_: URL) => new Response(bytes));
  vi.stubGlobal("fetch", fetched);
  vi.resetModules();
  const { getBuiltinModule } = process;
  Object.assign(process, { getBuiltinModule: undefined });
  try {
    const fast = await (await import("../../src/audio/fastFbank.ts")).openFbank({ ...usual });
    expect(fetched.mock.calls.map(([url]) => url.pathname)).toEqual([
      expect.stringMatching(/\/src\/audio\/fbank\.wasm$/),
    ]);
    expect(transformsOf(() => fast(noise))).toBe(0);
  } finally {
    Object.assign(process, { getBuiltinModule });
    vi.unstubAllGlobals();
    vi.resetModules();
  }
});

describe("the plain path is taken", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.resetModules();
  });
  const isPlain = (fast: Fbank, config = usual) => {
    const frames = fbank(noise, config).length / config.mels;
    expect(transformsOf(() => expect(fast(noise)).toEqual(fbank(noise, config)))).toBe(2 * frames);
  };
  /** The module anew, as in a program that has made no features yet. */
  const fresh = async () => (await import("../../src/audio/fastFbank.ts")).openFbank({ ...usual });

  test("for sound shorter than a window", async () => {
    const fast = await openFbank(usual);
    for (const samples of [1, 2, 399]) {
      expect(fast(noise.subarray(0, samples))).toEqual(fbank(noise.subarray(0, samples), usual));
    }
  });

  test("for an FFT of another length", async () => {
    for (const sampleRate of [8000, 48_000]) {
      const config = { ...usual, sampleRate };
      isPlain(await openFbank(config), config);
    }
  });

  test("where the runtime does not compile the module", async () => {
    vi.resetModules();
    vi.spyOn(WebAssembly, "compile").mockRejectedValue(new WebAssembly.CompileError("no SIMD"));
    isPlain(await fresh());
  });

  test("where the module's file is not there", async () => {
    vi.resetModules();
    vi.doMock("../../src/packageFile.ts", () => ({ readPackageFile: async () => undefined }));
    isPlain(await fresh());
    vi.doUnmock("../../src/packageFile.ts");
  });
});
