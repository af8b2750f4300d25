import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { openFbank } from "../../src/audio/fastFbank.ts";
import { fbank } from "../../src/audio/fbank.ts";
import { extractFeatures } from "../../src/audio/features.ts";
import { lfr } from "../../src/audio/lfr.ts";
import { readAudio } from "../../src/audio/read.ts";
import { findModel } from "../../src/weights/home.ts";
import { openSafetensors } from "../../src/weights/safetensorsFile.ts";
import { readGoldenTensors } from "../support/golden.ts";
import { TOLERANCE } from "../support/tolerances.ts";
import { f32Fixture, zhHappy } from "./support.ts";

const config = { sampleRate: 16000, mels: 80, frameLengthMs: 25, frameShiftMs: 10, lfrM: 7, lfrN: 6 };
const samples = Float32Array.from(zhHappy(), (s) => s / 32768);
const identity = { shift: new Float32Array(560), scale: new Float32Array(560).fill(1) };
const sounds = fileURLToPath(new URL("../../samples/", import.meta.url));
const FLOOR = Math.fround(Math.log(2 ** -23));

/**
 * The largest error of a logarithm, in nats, CMVN taken back. Where a bin lies more than TOLERANCE.featureDepth below
 * the loudest of its frame, its error counts by what FunASR's f32 FFT can tell: it is off by a share of the largest
 * amplitude, and that is √(largest / this) of the bin's own.
 */
function largestError(got: Float32Array, expected: Float32Array, { shift, scale }: typeof identity): number {
  expect(got.length).toBe(expected.length);
  let worst = 0;
  for (let start = 0; start < expected.length; start += config.mels) {
    const frame = Array.from({ length: config.mels }, (_, m) => {
      const [i, column] = [start + m, (start + m) % shift.length];
      const [log, ours] = [expected[i], got[i]].map((v) => v / scale[column] - shift[column]);
      return { log, error: Math.abs(ours - log) };
    });
    const loudest = Math.max(...frame.map(({ log }) => log));
    for (const { log, error } of frame) {
      worst = Math.max(worst, error / Math.max(1, Math.exp((loudest - log - TOLERANCE.featureDepth) / 2)));
    }
  }
  return worst;
}

describe("against FunASR", () => {
  test.each([
    ["half a second", "500ms", 4800, 8000],
    ["10 ms, less than a window", "10ms", 9600, 160],
    ["33 samples", "2ms", 9600, 33],
  ])("before CMVN: %s", async (_, golden, start, count) => {
    const { rows, data } = await extractFeatures(samples.subarray(start, start + count), config, identity);
    expect(data.length).toBe(rows * 560);
    expect(largestError(data, f32Fixture(`funasr-${golden}.f32`), identity)).toBeLessThan(TOLERANCE.features);
  });

  const goldens = new Map<string, Float32Array>();
  const cmvn = { shift: new Float32Array(0), scale: new Float32Array(0) };
  beforeAll(async () => {
    for (const [name, data] of await readGoldenTensors("tiny.safetensors")) goldens.set(name, data);
    const weights = await openSafetensors(join(findModel("tiny"), "model.safetensors"));
    for (const part of ["shift", "scale"] as const) {
      cmvn[part] = Float32Array.from((await weights.read(`frontend.cmvn.${part}`)).data);
    }
    await weights.close();
  });
  const names = readdirSync(sounds).filter((name) => name.endsWith(".wav"));
  test("there are eleven sounds", () => expect(names).toHaveLength(11));
  test.each(names)("every row after CMVN: %s", async (name) => {
    const { data } = await extractFeatures(await readAudio(join(sounds, name)), config, cmvn);
    const golden = goldens.get(`${name}/features`);
    if (!golden) throw new Error("FunASR's features of this sound are missing: scripts/make-goldens.py tiny");
    expect(largestError(data, golden, cmvn)).toBeLessThan(TOLERANCE.features);
  });
});

describe("fbank", () => {
  test.each([
    [1, 1],
    [2, 1],
    [399, 1],
    [400, 1],
    [559, 1],
    [560, 2],
    [16000, 98],
  ])("%i samples make %i frames of finite numbers", (count, frames) => {
    const out = fbank(samples.subarray(4800, 4800 + count), config);
    expect(out.length).toBe(80 * frames);
    expect(out.every(Number.isFinite)).toBe(true);
  });

  test("silence, a constant, and a single sample are the floor", () => {
    for (const pcm of [new Float32Array(800), new Float32Array(800).fill(0.5), Float32Array.of(0.5)]) {
      expect(fbank(pcm, config).every((x) => x === FLOOR)).toBe(true);
    }
  });

  test("a sine is loudest in the mel filter around its frequency", () => {
    const pcm = Float32Array.from({ length: 400 }, (_, i) => Math.sin((2 * Math.PI * 1000 * i) / 16000));
    const mel = (hz: number) => 1127 * Math.log(1 + hz / 700);
    const nearest = Math.round((81 * (mel(1000) - mel(20))) / (mel(8000) - mel(20))) - 1;
    const frame = fbank(pcm, config);
    expect(frame.indexOf(Math.max(...frame))).toBe(nearest);
  });

  test("other configurations have tables of their own", () => {
    expect(fbank(samples, { ...config, mels: 40 }).length).toBe(fbank(samples, config).length / 2);
    const every20 = fbank(samples, { ...config, frameShiftMs: 20 });
    expect(every20.subarray(80, 160)).toEqual(fbank(samples, config).subarray(160, 240));
  });
});

describe("lfr", () => {
  /** Frames of one number, their own index. */
  const frames = (count: number) => Float32Array.from({ length: count }, (_, i) => i);

  test("7 of 6: three frames overlap into the past, the ends are repeated", () => {
    expect([...lfr(frames(8), 1, 7, 6)]).toEqual([0, 0, 0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 7]);
    expect([...lfr(frames(1), 1, 7, 6)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  test("5 of 1, as the voice activity detector has it", () => {
    expect([...lfr(frames(2), 1, 5, 1)]).toEqual([0, 0, 0, 1, 1, 0, 0, 1, 1, 1]);
  });

  test("frames stay whole", () => {
    expect([...lfr(Float32Array.of(1, 2, 3, 4), 2, 3, 2)]).toEqual([1, 2, 1, 2, 3, 4]);
  });
});

describe("extractFeatures", () => {
  test("adds the shift, then multiplies by the scale, column by column", async () => {
    const shift = Float32Array.from({ length: 560 }, (_, i) => i / 8);
    const scale = Float32Array.from({ length: 560 }, (_, i) => 1 + i / 16);
    const plain = await extractFeatures(samples, config, identity);
    const { rows, data } = await extractFeatures(samples, config, { shift, scale });
    expect(rows).toBe(plain.rows);
    for (const at of [0, 1, 559, 560, 561, data.length - 1]) {
      const shifted = Math.fround(plain.data[at] + shift[at % 560]);
      expect(data[at]).toBe(Math.fround(shifted * scale[at % 560]));
    }
  });

  test("refuses what it cannot use", async () => {
    await expect(extractFeatures(new Float32Array(0), config, identity)).rejects.toThrow("got 0 samples");
    await expect(extractFeatures(Float32Array.of(Number.NaN), config, identity)).rejects.toThrow("got NaN at sample 0");
    const short = { ...identity, scale: new Float32Array(80) };
    await expect(extractFeatures(samples, config, short)).rejects.toThrow(
      "[features] cmvn.scale: expected shape [560], got [80]",
    );
  });

  test("the event loop has a turn after 65536 samples, 32 frames or a row, if it is time", async () => {
    let time = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (time += 5));
    let [turns, watching] = [0, true];
    const look = () => {
      turns++;
      if (watching) setImmediate(look);
    };
    setImmediate(look);
    const pcm = new Float32Array(65536 + 1);
    const { rows } = await extractFeatures(pcm, config, identity);
    watching = false;
    vi.restoreAllMocks();
    const slices = Math.ceil((1 + Math.floor((pcm.length - 400) / 160)) / 32);
    expect(turns).toBeGreaterThanOrEqual(2 + 2 * slices + rows); // slices are made, then put together
  });

  test("a cut into slices does not show", async () => {
    const { mels, lfrM, lfrN } = config;
    const fbank = await openFbank(config);
    for (const count of [399, 400, 400 + 31 * 160, 400 + 32 * 160 - 1, 400 + 32 * 160, samples.length]) {
      const pcm = samples.subarray(0, count);
      const { data } = await extractFeatures(pcm, config, identity);
      expect(data).toEqual(lfr(fbank(pcm), mels, lfrM, lfrN));
    }
  });
});
