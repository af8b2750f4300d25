import { afterAll, beforeAll, expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import type { Backend, Convolution, LinearWeight, Tensor } from "../../src/tensor/backend.ts";
import { convolvedGrid } from "../../src/tensor/backend.ts";
import { dequantize } from "../../src/tensor/quantized.ts";
import { type Computation, type Runner, runnerOf } from "../support/backend.ts";
import { INT8, INT8_STATIC, randomQuantized } from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

/** Kernels over one direction and two, strides, dilations, and channels that are no multiple of 4. */
const CONVOLUTIONS: readonly (Convolution & { readonly n: number })[] = [
  { channels: 1, kernel: [3, 3], stride: [1, 1], dilation: 1, n: 32 },
  { channels: 32, kernel: [3, 3], stride: [1, 2], dilation: 1, n: 32 },
  { channels: 32, kernel: [1, 1], stride: [1, 2], dilation: 1, n: 7 },
  { channels: 32, kernel: [3, 3], stride: [1, 1], dilation: 1, n: 32 },
  { channels: 64, kernel: [1, 3], stride: [1, 1], dilation: 2, n: 33 },
  { channels: 96, kernel: [3, 3], stride: [2, 2], dilation: 1, n: 9 },
  { channels: 32, kernel: [1, 3], stride: [1, 3], dilation: 1, n: 8 },
  { channels: 20, kernel: [1, 5], stride: [1, 2], dilation: 1, n: 128 },
  { channels: 12, kernel: [1, 3], stride: [1, 1], dilation: 2, n: 33 },
  { channels: 3, kernel: [5, 3], stride: [2, 3], dilation: 1, n: 4 },
  { channels: 6, kernel: [3, 1], stride: [1, 1], dilation: 3, n: 9 },
];
const GRIDS = [
  [1, 1, 1],
  [1, 1, 2],
  [2, 3, 5],
  [1, 31, 8],
  [3, 7, 33],
  [1, 1, 171],
].map(([clips, height, width]) => ({ clips, height, width }));

/**
 * The operations of convolutional networks against the reference, at awkward shapes. Call it inside a `describe`.
 *
 * @param options.int8 how far off int8 products may be
 */
export function convolutionCases<T extends Tensor, W extends LinearWeight<T>>(
  createBackend: () => Promise<Backend<T, W>>,
  { int8 = TOLERANCE.kernel }: { readonly int8?: number } = {},
): void {
  const reference = runnerOf(referenceBackend());
  let backend: Runner;
  beforeAll(async () => {
    backend = runnerOf(await createBackend());
  });
  afterAll(() => backend?.close());

  async function expectSame(compute: Computation, tolerance = TOLERANCE.kernel): Promise<void> {
    const [got, expected] = await Promise.all([backend, reference].map(({ run }) => run(compute)));
    expect(expected.some((x) => x !== 0)).toBe(true);
    expect(relativeError(got, expected, 1)).toBeLessThanOrEqual(tolerance);
  }

  for (const grid of GRIDS) {
    const { clips, height, width } = grid;
    test.each(CONVOLUTIONS)(
      `convolution of ${clips} × ${height} × ${width}: $channels → $n, kernel $kernel, stride $stride, dilation $dilation`,
      async ({ n, ...convolution }) => {
        const random = randomizer(n + width);
        const { channels, kernel } = convolution;
        const k = Math.ceil((kernel[0] * kernel[1] * channels) / 4) * 4;
        const out = convolvedGrid(convolution, grid);
        const rows = out.clips * out.height * out.width;
        const [x, weight, bias] = [random([clips * height * width, channels]), random([n, k], 0.2), random([n])];
        const residual = random([rows, n]);
        const schemes = [INT8, INT8_STATIC, { ...INT8, scale: 32 }].map((scheme) => randomQuantized(n, [n, k], scheme));
        const few = { bits: 4, scale: "row", activation: "dynamic" } as const;
        for (const w of [weight, ...schemes, randomQuantized(n, [n, k], few)]) {
          const tolerance = w === weight ? TOLERANCE.kernel : int8;
          await expectSame((b) => b.convolve(b.upload(x), b.uploadLinear(w), convolution, grid), tolerance);
          await expectSame((b) => {
            const options = { bias: b.upload(bias), relu: true, residual: b.upload(residual) };
            return b.convolve(b.upload(x), b.uploadLinear(w), convolution, grid, options);
          }, tolerance);
          // What has no negative number may be multiplied another way.
          await expectSame((b) => {
            return b.convolve(b.relu(b.upload(x)), b.uploadLinear(w), convolution, grid, { bias: b.upload(bias) });
          }, tolerance);
        }
      },
    );
  }

  test("in int8 a clip is rounded by its own largest number: the same whatever is computed with it", async () => {
    const random = randomizer(5);
    const convolution = { channels: 8, kernel: [3, 3], stride: [1, 1], dilation: 1 } as const;
    const weight = randomQuantized(1, [9, 72], INT8);
    const [quiet, loud] = [random([5 * 7, 8], 1), random([5 * 7, 8], 100)];
    const both = { ...quiet, shape: [70, 8], data: Float32Array.from([...quiet.data, ...loud.data]) };
    const alone = await backend.run((b) => {
      return b.convolve(b.upload(quiet), b.uploadLinear(weight), convolution, { clips: 1, height: 5, width: 7 });
    });
    const together = await backend.run((b) => {
      return b.convolve(b.upload(both), b.uploadLinear(weight), convolution, { clips: 2, height: 5, width: 7 });
    });
    expect(together.subarray(0, alone.length)).toEqual(alone);
    const largest = Math.max(...Array.from(quiet.data, Math.abs));
    const scale = Math.fround(largest * Math.fround(1 / 127));
    const rounded = { ...quiet, data: Float32Array.from(quiet.data, (v) => Math.round((v * 127) / largest) * scale) };
    const exact = { dtype: "f32", shape: [9, 72], data: dequantize(weight) } as const;
    const expected = await reference.run((b) => {
      return b.convolve(b.upload(rounded), b.uploadLinear(exact), convolution, { clips: 1, height: 5, width: 7 });
    });
    expect(relativeError(alone, expected, 1)).toBeLessThan(TOLERANCE.int8Product);
  });

  test.each([1, 3, 31, 171])("linear of %i rows with ReLU in front, of some columns of x", async (rows) => {
    const random = randomizer(rows);
    for (const [k, width, n] of [
      [4, 4, 7],
      [36, 40, 33],
      [128, 512, 128],
    ]) {
      const [x, gamma, beta, bias] = [random([rows, width]), random([k]), random([k]), random([n])];
      for (const w of [
        random([n, k], 0.2),
        randomQuantized(n, [n, k], INT8),
        randomQuantized(n, [n, k], INT8_STATIC),
      ]) {
        const compute: Computation = (b) => {
          const rectify = { gamma: b.upload(gamma), beta: b.upload(beta) };
          return b.linear(b.upload(x), b.uploadLinear(w), { rectify, bias: b.upload(bias), relu: true });
        };
        await expectSame(compute, w.dtype === "f32" ? TOLERANCE.kernel : TOLERANCE.int8Layer);
      }
    }
  });

  test.each([1, 3, 31, 171])("relu of %i rows: of some columns, with a norm and without", async (rows) => {
    const random = randomizer(rows);
    for (const [d, width] of [
      [4, 4],
      [31, 40],
      [128, 512],
      [33, 33],
    ]) {
      const [x, gamma, beta] = [random([rows, width]), random([d]), random([d])];
      await expectSame((b) => b.relu(b.upload(x), { gamma: b.upload(gamma), beta: b.upload(beta) }));
      await expectSame((b) => b.relu(b.upload(x)));
    }
  });

  test.each([
    [1, 1],
    [3, 1],
    [2, 31],
    [1, 100],
    [3, 101],
    [2, 382],
  ])("context, gate and statistics of %i clips of %i rows", async (clips, length) => {
    const random = randomizer(clips * length);
    const rows = clips * length;
    for (const [d, from, segment] of [
      [32, 128, 100],
      [7, 5, 10],
      [130, 4, 33],
    ]) {
      const segments = Math.ceil(length / segment);
      const [x, before] = [random([rows, d], 5), random([rows, from])];
      const gates = random([clips * segments, d], 120);
      await expectSame((b) => b.context(b.upload(x), clips, segment));
      await expectSame((b) => {
        const wide = b.widen(b.upload(before), from + 2 * d);
        b.gate(wide, from + d, b.upload(x), b.upload(gates), clips, segment);
        return b.gate(wide, from, b.upload(x), b.upload(gates), clips, segment);
      });
      if (length > 1) await expectSame((b) => b.statistics(b.upload(x), clips));
    }
  });

  test("a shape that does not fit is an error of one line", () => {
    const random = randomizer(1);
    const convolution = CONVOLUTIONS[0];
    const grid = { clips: 1, height: 4, width: 4 };
    const refuse = (compute: Computation, message: string) =>
      expect(() => backend.use((b) => void compute(b))).toThrow(message);
    refuse(
      (b) => b.convolve(b.upload(random([15, 1])), b.uploadLinear(random([2, 12])), convolution, grid),
      "[convolve] x: expected shape [16, 1], got [15, 1]",
    );
    refuse((b) => {
      const norm = { gamma: b.upload(random([4])), beta: b.upload(random([4])) };
      return b.linear(b.upload(random([2, 4])), b.uploadLinear(random([3, 4])), { norm, rectify: norm });
    }, "[linear] expected norm or rectify, got both");
    refuse(
      (b) => b.convolve(b.upload(random([16, 1])), b.uploadLinear(random([2, 8])), convolution, grid),
      "[convolve] weight: expected shape [2, 12], got [2, 8]",
    );
    refuse((b) => b.widen(b.upload(random([2, 8])), 7), "[widen] width: expected 8 or more, got 7");
    refuse((b) => b.context(b.upload(random([5, 4])), 2, 9), "[context] clips: expected 5 rows in equal parts, got 2");
    refuse((b) => b.statistics(b.upload(random([2, 4])), 2), "[statistics] x: expected two rows of each clip or more");
    refuse((b) => {
      const [wide, y, gates] = [b.upload(random([3, 8])), b.upload(random([3, 4])), b.upload(random([1, 4]))];
      return b.gate(wide, 5, y, gates, 1, 9);
    }, "[gate] column: expected 4 columns of 8, got those from 5 on");
  });
}
