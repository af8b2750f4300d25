import { afterAll, beforeAll, expect, test } from "vitest";
import { ReferenceBackend } from "../../src/kernels/reference/backend.ts";
import { type Backend, type Tensor, uploadSegments } from "../../src/tensor/backend.ts";
import { f32ToF16 } from "../../src/tensor/f16.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

/** Rows that are less than a tile, a tile less or more one, several. */
const ROWS = [1, 3, 31, 33, 127, 171];

/** Every operation of a backend against the reference, at awkward shapes. Call it inside a `describe`. */
export function kernelCases(createBackend: () => Promise<Backend>): void {
  const reference = new ReferenceBackend();
  let backend: Backend;
  let worst = 0;
  beforeAll(async () => {
    backend = await createBackend();
  });
  afterAll(() => {
    console.info(`kernels on ${backend?.description}: largest error ${worst.toExponential(1)}`);
    backend?.close();
  });

  /** Does the same on both backends and compares. */
  async function expectSame(
    compute: (backend: Backend) => Tensor,
    tolerance = TOLERANCE.kernel,
  ): Promise<void> {
    const [got, expected] = await Promise.all([backend, reference].map((b) => b.read(compute(b))));
    expect(expected.some((x) => x !== 0)).toBe(true);
    const error = relativeError(got, expected, 1);
    if (tolerance === TOLERANCE.kernel) worst = Math.max(worst, error);
    expect(error).toBeLessThan(tolerance);
  }

  for (const rows of ROWS) {
    for (const k of [32, 96, 256, 560]) {
      test(`linear: ${rows} rows, K = ${k}, N = 31, 256, 995`, async () => {
        const random = randomizer(rows * k);
        for (const n of [31, 256, 995]) {
          const x = random([rows, k]);
          const weight = random([n, k], 0.1);
          const bias = random([n]);
          await expectSame((b) => b.linear(b.upload(x), b.uploadLinear(weight), { bias: b.upload(bias) }));
        }
      });
    }

    test(`layer norm: ${rows} rows`, async () => {
      const random = randomizer(rows);
      for (const d of [4, 31, 256, 512, 560]) {
        const [x, gamma, beta] = [random([rows, d], 50), random([d]), random([d])];
        await expectSame((b) => b.layerNorm(b.upload(x), { gamma: b.upload(gamma), beta: b.upload(beta) }));
      }
    });

    test(`attention: ${rows} rows`, async () => {
      const random = randomizer(rows);
      for (const [heads, width] of [
        [2, 128],
        [4, 32],
        [1, 12],
      ]) {
        const qkv = random([rows, 3 * heads * width], 3);
        await expectSame((b) => b.attention(b.upload(qkv), heads, uploadSegments(b, [rows])));
      }
    });

    test(`FSMN: ${rows} rows`, async () => {
      const random = randomizer(rows);
      for (const [d, j] of [
        [256, 11],
        [31, 3],
        [5, 1],
      ]) {
        const [qkv, taps, residual] = [random([rows, 3 * d]), random([d, j]), random([rows, d])];
        await expectSame((b) => b.fsmn(b.upload(qkv), b.upload(taps), uploadSegments(b, [rows])));
        await expectSame((b) => {
          return b.fsmn(b.upload(qkv), b.upload(taps), uploadSegments(b, [rows]), b.upload(residual));
        });
      }
    });

    test(`CTC: ${rows} rows`, async () => {
      const random = randomizer(rows);
      for (const vocab of [5, 64, 995]) {
        const [x, weight, bias] = [random([rows, 32]), random([vocab, 32]), random([vocab])];
        const head = (b: Backend) => ({ weight: b.uploadLinear(weight), bias: b.upload(bias) });
        await expectSame((b) => b.ctcGreedy(b.upload(x), head(b)));
        await expectSame((b) => b.ctcGreedy(b.upload(x), head(b), 2));
        const tokens = { dtype: "u32", shape: [1, 3], data: Uint32Array.of(4, 0, 2) } satisfies HostTensor;
        await expectSame((b) => {
          return b.ctcLogProbs(b.upload(x), head(b), b.upload(tokens), uploadSegments(b, [rows]));
        });
      }
    });
  }

  test("linear: bias, ReLU and residual in every combination, weights in f16", async () => {
    const random = randomizer(7);
    const [x, bias, residual] = [random([33, 96]), random([31]), random([33, 31])];
    const weight = random([31, 96], 0.1);
    const half: HostTensor = { ...weight, dtype: "f16", data: f32ToF16(weight.data as Float32Array) };
    for (const w of [weight, half]) {
      for (const relu of [false, true]) {
        for (const withBias of [false, true]) {
          for (const withResidual of [false, true]) {
            await expectSame((b) =>
              b.linear(b.upload(x), b.uploadLinear(w), {
                relu,
                bias: withBias ? b.upload(bias) : undefined,
                residual: withResidual ? b.upload(residual) : undefined,
              }),
            );
          }
        }
      }
    }
  });

  test("linear with a layer norm in front", async () => {
    const random = randomizer(8);
    for (const rows of ROWS) {
      const [x, weight] = [random([rows, 96], 20), random([40, 96], 0.1)];
      const [gamma, beta] = [random([96]), random([96])];
      await expectSame((b) =>
        b.linear(b.upload(x), b.uploadLinear(weight), {
          norm: { gamma: b.upload(gamma), beta: b.upload(beta) },
        }),
      );
    }
  });

  test("layer norm keeps its precision on a residual stream of tens of thousands", async () => {
    const random = randomizer(11);
    const x = random([5, 512]);
    const data = (x.data as Float32Array).map((v) => 46_000 + v * 10);
    const [gamma, beta] = [random([512]), random([512])];
    const norm = (b: Backend) => ({ gamma: b.upload(gamma), beta: b.upload(beta) });
    const layerNorm = (b: Backend) => b.layerNorm(b.upload({ ...x, data }), norm(b));
    await expectSame(layerNorm, TOLERANCE.layerNormFarFromZero);
  });

  test("clips of a batch do not see one another", async () => {
    const random = randomizer(3);
    const lengths = [1, 31, 4, 70, 65];
    const [qkv, taps, x] = [random([171, 768], 2), random([256, 11]), random([171, 32])];
    const [weight, bias] = [random([64, 32]), random([64])];
    const tokens: HostTensor = {
      dtype: "u32",
      shape: [5, 3],
      data: Uint32Array.from({ length: 15 }, (_, i) => i),
    };
    await expectSame((b) => b.attention(b.upload(qkv), 2, uploadSegments(b, lengths)));
    await expectSame((b) => b.fsmn(b.upload(qkv), b.upload(taps), uploadSegments(b, lengths)));
    await expectSame((b) => {
      const head = { weight: b.uploadLinear(weight), bias: b.upload(bias) };
      return b.ctcLogProbs(b.upload(x), head, b.upload(tokens), uploadSegments(b, lengths));
    });
  });

  test("CTC of more rows than one chunk of logits", async () => {
    const random = randomizer(5);
    const [x, weight, bias] = [random([1100, 32]), random([40, 32]), random([40])];
    await expectSame((b) =>
      b.ctcGreedy(b.upload(x), { weight: b.uploadLinear(weight), bias: b.upload(bias) }),
    );
  });

  test("ties go to the lower id", async () => {
    const x: HostTensor = { dtype: "f32", shape: [1, 4], data: new Float32Array(4) };
    const weight: HostTensor = { dtype: "f32", shape: [200, 4], data: new Float32Array(800) };
    const data = new Float32Array(200);
    data.set([1, 1], 150);
    data[77] = 1;
    const bias: HostTensor = { dtype: "f32", shape: [200], data };
    for (const b of [backend, reference]) {
      const head = { weight: b.uploadLinear(weight), bias: b.upload(bias) };
      expect((await b.read(b.ctcGreedy(b.upload(x), head)))[0]).toBe(77);
      expect((await b.read(b.ctcGreedy(b.upload(x), head, 77)))[0]).toBe(150);
    }
  });

  test("wrong shapes are refused, in the same words on every backend", () => {
    const random = randomizer(1);
    for (const b of [backend, reference]) {
      const x = b.upload(random([3, 8]));
      const vector = b.upload(random([8]));
      const segments = uploadSegments(b, [2]);
      expect(() => b.layerNorm(x, { gamma: b.upload(random([7])), beta: vector })).toThrow(
        "[layerNorm] gamma: expected shape [8], got [7]",
      );
      expect(() => b.linear(x, b.uploadLinear(random([5, 12])))).toThrow(
        "[linear] x: expected shape [3, 12], got [3, 8]",
      );
      expect(() => b.uploadLinear(random([5, 7]))).toThrow(
        "[linear] weight: expected [N, K] with K a multiple of 4",
      );
      expect(() => b.linear(x, b.uploadLinear(random([5, 8])), { bias: vector })).toThrow(
        "[linear] bias: expected shape [5], got [8]",
      );
      expect(() => b.attention(b.upload(random([2, 14])), 1, segments)).toThrow("[attention] qkv");
      expect(() => b.fsmn(b.upload(random([2, 24])), b.upload(random([8, 2])), segments)).toThrow(
        "[fsmn] taps: expected an odd number, got 2",
      );
      expect(() => b.fsmn(b.upload(random([3, 24])), b.upload(random([8, 3])), segments)).toThrow(
        "[fsmn] segments: expected 3 rows in all, got 2",
      );
    }
  });
}
