import fc from "fast-check";
import { expect, test } from "vitest";
import { randomTensor } from "../../scripts/random-weights.ts";
import { openFbank } from "../../src/audio/fastFbank.ts";
import { lfr } from "../../src/audio/lfr.ts";
import { OnlineFeatures } from "../../src/audio/onlineFeatures.ts";
import { cut } from "../support/vad.ts";

const sizes = { sampleRate: 16000, mels: 8, frameLengthMs: 25, frameShiftMs: 10, lfrN: 1 };
const pcm = randomTensor("sound", [5000], { scale: 0.5 }).data;

test.each([2, 3, 5, 8])(
  "however the sound is cut, rows of %i frames are those of the whole, bit for bit",
  async (lfrM) => {
    const config = { ...sizes, lfrM };
    const width = 8 * lfrM;
    const cmvn = {
      shift: randomTensor("shift", [width]).data,
      scale: randomTensor("scale", [width], { offset: 1 }).data,
    };
    const expected = lfr((await openFbank(config))(pcm), 8, lfrM, 1).map(
      (x, i) => Math.fround(x + cmvn.shift[i % width]) * cmvn.scale[i % width],
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 1200 }), { minLength: 1, maxLength: 9 }), async (lengths) => {
        const online = new OnlineFeatures(config, cmvn);
        const rows = [];
        for (const piece of cut(pcm, lengths)) rows.push(await online.push(piece));
        rows.push(online.finish());
        expect(Float32Array.from(rows.flatMap(({ features }) => [...features]))).toEqual(expected);
        const levels = rows.flatMap(({ decibels }) => [...decibels]);
        expect(levels).toHaveLength(expected.length / width);
        const energy = pcm.subarray(7 * 160, 7 * 160 + 400).reduce((sum, x) => sum + x * x, 0);
        expect(levels[7]).toBeCloseTo(10 * Math.log10(energy + 1e-6), 9);
      }),
      { numRuns: 30, seed: 3 },
    );
  },
);

test("sound shorter than a frame has no rows; one frame has one", async () => {
  const cmvn = { shift: new Float32Array(40), scale: new Float32Array(40).fill(1) };
  const count = async (samples: number) => {
    const online = new OnlineFeatures({ ...sizes, lfrM: 5 }, cmvn);
    expect((await online.push(pcm.subarray(0, samples))).decibels).toHaveLength(0);
    return online.finish().decibels.length;
  };
  expect(await Promise.all([0, 1, 399, 400, 559, 560].map(count))).toEqual([0, 0, 0, 1, 1, 2]);
});
