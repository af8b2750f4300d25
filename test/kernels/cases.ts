import { afterAll, beforeAll, expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { type Backend, type LinearWeight, type Tensor, uploadBatch } from "../../src/tensor/backend.ts";
import { f32ToF16 } from "../../src/tensor/f16.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import { type Computation, type Runner, runnerOf, topOf } from "../support/backend.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

/** Rows that are less than a tile, a tile less or more one, several. */
const ROWS = [1, 3, 31, 33, 127, 171];

/** Every operation of a backend against the reference, at awkward shapes. Call it inside a `describe`. */
export function kernelCases<T extends Tensor, W extends LinearWeight<T>>(
  createBackend: () => Promise<Backend<T, W>>,
): void {
  const reference = runnerOf(referenceBackend());
  let backend: Runner;
  let worst = 0;
  beforeAll(async () => {
    backend = runnerOf(await createBackend());
  });
  afterAll(() => {
    console.info(`kernels on ${backend?.use((b) => b.description)}: largest error ${worst.toExponential(1)}`);
    backend?.close();
  });

  /** Does the same on both backends and compares. */
  async function expectSame(compute: Computation, tolerance = TOLERANCE.kernel): Promise<void> {
    const [got, expected] = await Promise.all([backend, reference].map(({ run }) => run(compute)));
    expect(expected.some((x) => x !== 0)).toBe(true);
    const error = relativeError(got, expected, 1);
    if (tolerance === TOLERANCE.kernel) worst = Math.max(worst, error);
    expect(error).toBeLessThanOrEqual(tolerance);
  }

  /** The same of k best tokens: ids equal, log-probabilities within the tolerance. */
  async function expectSameTop(compute: Computation, k: number): Promise<void> {
    const [got, expected] = await Promise.all(
      [backend, reference].map(async ({ run }) => topOf(await run(compute), k)),
    );
    expect(got.ids).toEqual(expected.ids);
    const error = relativeError(got.logProbs, expected.logProbs, 1);
    worst = Math.max(worst, error);
    expect(error).toBeLessThanOrEqual(TOLERANCE.kernel);
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

    test(`SANM: ${rows} rows`, async () => {
      const random = randomizer(rows);
      for (const [heads, width, j] of [
        [2, 128, 11],
        [4, 32, 3],
        [1, 12, 1],
      ]) {
        const d = heads * width;
        const [qkv, taps, residual] = [random([rows, 3 * d], 3), random([d, j]), random([rows, d])];
        for (const half of ["attended", "memory"] as const) {
          await expectSame((b) => b.sanm(b.upload(qkv), b.upload(taps), heads, uploadBatch(b, [rows]))[half]);
          await expectSame((b) => {
            const added = b.upload(residual);
            return b.sanm(b.upload(qkv), b.upload(taps), heads, uploadBatch(b, [rows]), added)[half];
          });
        }
      }
    });

    test(`causal FSMN: ${rows} rows, and what is kept of them`, async () => {
      const random = randomizer(rows);
      for (const [d, j] of [
        [128, 20],
        [31, 3],
        [5, 2],
      ]) {
        const [x, more] = [random([rows, d]), random([4, d])];
        const [taps, history] = [random([d, j]), random([j - 1, d])];
        await expectSame((b) => b.causalFsmn(b.upload(x), b.upload(taps), b.upload(history)));
        await expectSame((b) => {
          const [weights, past] = [b.upload(taps), b.upload(history)];
          b.causalFsmn(b.upload(x), weights, past);
          return b.causalFsmn(b.upload(more), weights, past);
        });
      }
    });

    test(`CTC: ${rows} rows`, async () => {
      const random = randomizer(rows);
      for (const vocab of [5, 64, 995]) {
        const [x, weight, bias] = [random([rows, 32]), random([vocab, 32]), random([vocab])];
        const head = <T extends Tensor, W extends LinearWeight<T>>(b: Backend<T, W>) => {
          return { weight: b.uploadLinear(weight), bias: b.upload(bias) };
        };
        await expectSameTop((b) => b.ctcTopK(b.upload(x), head(b), 1), 1);
        await expectSameTop((b) => b.ctcTopK(b.upload(x), head(b), 1, 2), 1);
        const tokens = { dtype: "u32", shape: [3], data: Uint32Array.of(4, 0, 2) } satisfies HostTensor;
        const top = await reference.run((b) => b.ctcTopK(b.upload(x), head(b), 1));
        const sums = top.filter((_, i) => i % 3 === 2);
        const begin = Math.floor(rows / 3);
        for (const [first, count] of [
          [0, rows],
          [begin, rows - 2 * begin],
        ]) {
          await expectSame((b) => b.ctcLogProbs(b.upload(x), head(b), b.upload(tokens), first, count));
          await expectSame((b) => {
            const known = b.upload({ dtype: "f32", shape: [count], data: sums.subarray(first, first + count) });
            return b.ctcLogProbs(b.upload(x), head(b), b.upload(tokens), first, count, known);
          });
        }
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
    await expectSame(
      (b) => b.layerNorm(b.upload({ ...x, data }), { gamma: b.upload(gamma), beta: b.upload(beta) }),
      TOLERANCE.layerNormFarFromZero,
    );
  });

  test("clips of a batch do not see one another", async () => {
    const random = randomizer(3);
    const lengths = [1, 31, 4, 70, 65];
    const [qkv, taps] = [random([171, 768], 2), random([256, 11])];
    for (const half of ["attended", "memory"] as const) {
      await expectSame((b) => b.sanm(b.upload(qkv), b.upload(taps), 2, uploadBatch(b, lengths))[half]);
    }
  });

  test("CTC: of logits far apart those that can be left out change no log-probability", async () => {
    const random = randomizer(12);
    const [x, weight] = [random([33, 32]), random([995, 32])];
    for (const spread of [20, 60]) {
      const bias = random([995], spread);
      for (const [k, banned] of [[1], [3], [3, 500]]) {
        await expectSameTop((b) => {
          const head = { weight: b.uploadLinear(weight), bias: b.upload(bias) };
          return b.ctcTopK(b.upload(x), head, k, banned);
        }, k);
      }
    }
  });

  test("CTC of more rows than one chunk of logits", async () => {
    const random = randomizer(5);
    const [x, weight, bias] = [random([1100, 32]), random([40, 32]), random([40])];
    await expectSameTop((b) => {
      return b.ctcTopK(b.upload(x), { weight: b.uploadLinear(weight), bias: b.upload(bias) }, 3);
    }, 3);
    const tokens: HostTensor = { dtype: "u32", shape: [4], data: Uint32Array.of(39, 0, 7, 7) };
    await expectSame((b) => {
      const head = { weight: b.uploadLinear(weight), bias: b.upload(bias) };
      return b.ctcLogProbs(b.upload(x), head, b.upload(tokens), 10, 1090);
    });
  });

  test("ties go to the lower id", async () => {
    const x: HostTensor = { dtype: "f32", shape: [1, 4], data: new Float32Array(4) };
    const weight: HostTensor = { dtype: "f32", shape: [200, 4], data: new Float32Array(800) };
    const data = new Float32Array(200);
    data.set([1, 1], 150);
    data[77] = 1;
    const bias: HostTensor = { dtype: "f32", shape: [200], data };
    for (const { run } of [backend, reference]) {
      const top = (k: number, banned?: number): Promise<Float32Array> =>
        run((b) => {
          const head = { weight: b.uploadLinear(weight), bias: b.upload(bias) };
          return b.ctcTopK(b.upload(x), head, k, banned);
        });
      expect((await top(1))[0]).toBe(77);
      expect((await top(1, 77))[0]).toBe(150);
      expect((await top(5)).subarray(0, 5)).toEqual(Float32Array.of(77, 150, 151, 0, 1));
      expect((await top(5, 150)).subarray(0, 5)).toEqual(Float32Array.of(77, 151, 0, 1, 2));
    }
  });

  test("the k best tokens of each row, with many ties, and their log-probabilities", async () => {
    // Sums of small whole numbers are exact in every order: logits that are equal are so on every backend.
    const random = randomizer(6);
    const whole = (shape: number[]): HostTensor => {
      return { dtype: "f32", shape, data: (random(shape).data as Float32Array).map((v) => Math.round(v * 2)) };
    };
    for (const rows of [1, 33, 171]) {
      for (const vocab of [33, 64, 995]) {
        const [x, weight, bias] = [whole([rows, 32]), whole([vocab, 32]), whole([vocab])];
        for (const k of [1, 2, 10, 32]) {
          for (const banned of [undefined, 7]) {
            await expectSameTop((b) => {
              const head = { weight: b.uploadLinear(weight), bias: b.upload(bias) };
              return b.ctcTopK(b.upload(x), head, k, banned);
            }, k);
          }
        }
      }
    }
  });

  test("the banned token counts in the softmax: the log-probabilities of the others stay", async () => {
    const x: HostTensor = { dtype: "f32", shape: [1, 4], data: Float32Array.of(1, 0, 0, 0) };
    const weight: HostTensor = { dtype: "f32", shape: [3, 4], data: new Float32Array(12) };
    const bias: HostTensor = { dtype: "f32", shape: [3], data: Float32Array.of(0, 1, 2).map((v) => v * Math.log(2)) };
    for (const { run } of [backend, reference]) {
      const found = await run((b) => {
        return b.ctcTopK(b.upload(x), { weight: b.uploadLinear(weight), bias: b.upload(bias) }, 2, 2);
      });
      const expected = [1, 0, Math.log(2 / 7), Math.log(1 / 7), Math.log(7)];
      expect(relativeError(found, expected, 1)).toBeLessThanOrEqual(TOLERANCE.kernel);
    }
  });

  test("wrong shapes are refused, in the same words on every backend", () => {
    const random = randomizer(1);
    const refuse: <T extends Tensor, W extends LinearWeight<T>>(b: Backend<T, W>) => void = (b) => {
      const x = b.upload(random([3, 8]));
      const vector = b.upload(random([8]));
      const batch = uploadBatch(b, [2]);
      expect(() => b.layerNorm(x, { gamma: b.upload(random([7])), beta: vector })).toThrow(
        "[layerNorm] gamma: expected shape [8], got [7]",
      );
      expect(() => b.layerNorm(x, { gamma: vector, beta: b.upload(random([9])) })).toThrow(
        "[layerNorm] beta: expected shape [8], got [9]",
      );
      expect(() => b.layerNorm(vector, { gamma: vector, beta: vector })).toThrow(
        "[layerNorm] x: expected two dimensions [rows, width], got [8]",
      );
      const five = b.uploadLinear(random([5, 8]));
      const short = { gamma: vector, beta: b.upload(random([7])) };
      expect(() => b.linear(x, five, { norm: short })).toThrow("[layerNorm] beta: expected shape [8], got [7]");
      expect(() => b.linear(x, b.uploadLinear(random([5, 12])))).toThrow(
        "[linear] x: expected shape [3, 12], got [3, 8]",
      );
      expect(() => b.uploadLinear(random([5, 7]))).toThrow("[linear] weight: expected [N, K] with K a multiple of 4");
      expect(() => b.linear(x, b.uploadLinear(random([5, 8])), { bias: vector })).toThrow(
        "[linear] bias: expected shape [5], got [8]",
      );
      expect(() => b.linear(x, b.uploadLinear(random([5, 8])), { residual: x })).toThrow(
        "[linear] residual: expected shape [3, 5], got [3, 8]",
      );
      const [qkv, taps] = [b.upload(random([2, 24])), b.upload(random([8, 3]))];
      expect(() => b.sanm(b.upload(random([2, 14])), taps, 1, batch)).toThrow(
        "[sanm] qkv: expected 3 × 1 heads of a multiple of 4, got 14 columns",
      );
      expect(() => b.sanm(b.upload(random([3, 24])), taps, 2, batch)).toThrow(
        "[sanm] batch: expected 3 rows in all, got 2",
      );
      expect(() => b.sanm(qkv, b.upload(random([8, 2])), 2, batch)).toThrow(
        "[sanm] taps: expected an odd number, got 2",
      );
      expect(() => b.sanm(qkv, b.upload(random([7, 3])), 2, batch)).toThrow(
        "[sanm] taps: expected shape [8, 3], got [7, 3]",
      );
      expect(() => b.causalFsmn(x, b.upload(random([8, 3])), x)).toThrow(
        "[causalFsmn] history: expected shape [2, 8], got [3, 8]",
      );
      expect(() => b.causalFsmn(x, b.upload(random([8, 1])), x)).toThrow(
        "[causalFsmn] taps: expected two or more, got 1",
      );
      const head = { weight: b.uploadLinear(random([5, 8])), bias: b.upload(random([5])) };
      const tokens = b.upload({ dtype: "u32", shape: [1], data: Uint32Array.of(4) });
      expect(() => b.ctcTopK(x, head, 0)).toThrow("[ctcTopK] k: expected 1 to 5, got 0");
      expect(() => b.ctcTopK(x, head, 5, 1)).toThrow("[ctcTopK] k: expected 1 to 4, got 5");
      expect(() => b.ctcTopK(x, head, 1.5)).toThrow("[ctcTopK] k: expected 1 to 5, got 1.5");
      expect(() => b.sanm(qkv, taps, 2, batch, x)).toThrow("[sanm] residual: expected shape [2, 8], got [3, 8]");
      for (const [first, rows] of [
        [2, 2],
        [-1, 2],
        [1, 0],
        [3, 1],
      ]) {
        expect(() => b.ctcLogProbs(x, head, tokens, first, rows)).toThrow(
          `[ctcLogProbs] rows: expected some of 3, got ${rows} from row ${first} on`,
        );
      }
      const two = b.upload(random([2]));
      expect(() => b.ctcLogProbs(x, head, tokens, 0, 3, two)).toThrow(
        "[ctcLogProbs] logSums: expected shape [3], got [2]",
      );
      const offsets = { lengths: [1, 2], offsets: b.upload({ dtype: "u32", shape: [2], data: Uint32Array.of(0, 3) }) };
      expect(() => b.sanm(b.upload(random([3, 24])), taps, 2, offsets)).toThrow(
        "[sanm] batch: expected shape [3], got [2]",
      );
    };
    for (const { use } of [backend, reference]) use(refuse);
  });

  test("a tensor or weight used or released after its release is an error that names it", async () => {
    const random = randomizer(2);
    const refuse: <T extends Tensor, W extends LinearWeight<T>>(b: Backend<T, W>) => void = (b) => {
      const x = b.upload(random([3, 8]));
      const norm = { gamma: b.upload(random([8])), beta: b.upload(random([8])) };
      const released = (where: string, name: string, shape: string) =>
        `[${where}] ${name}: expected a tensor in use, got f32 [${shape}], which was released`;
      b.release(norm.beta);
      expect(() => b.layerNorm(x, norm)).toThrow(released("layerNorm", "beta", "8"));
      // Released inside a scope that is not its own: the scopes around must not release it again.
      const kept = b.scope(() => {
        const inner = b.upload(random([2, 2]));
        b.scope(() => {
          b.release(inner);
          return b.upload(random([2, 2]));
        });
        return b.upload(random([2, 2]));
      });
      b.release(kept);
      expect(() => b.release(kept)).toThrow(released("release", "tensor", "2, 2"));
      b.release(x);
      expect(() => b.linear(x, b.uploadLinear(random([5, 8])))).toThrow(released("linear", "x", "3, 8"));
    };
    for (const { use } of [backend, reference]) use(refuse);
    const gone = backend.use(async (b) => {
      const x = b.upload(random([3, 8]));
      b.release(x);
      return b.read(x);
    });
    await expect(gone).rejects.toThrow("[read] tensor: expected a tensor in use");
  });

  test("a weight's memory comes back", async () => {
    const random = randomizer(4);
    await backend.use(async (b) => {
      const x = b.upload(random([3, 64]));
      const upload = async () => {
        const weight = b.uploadLinear(random([256, 64]));
        const y = b.linear(x, weight);
        await b.read(y);
        for (const item of [weight, y]) b.release(item);
        expect(() => b.linear(x, weight)).toThrow(/^\[linear\] weight: expected a tensor/);
      };
      for (let i = 0; i < 3; i++) await upload();
      const before = b.memory();
      for (let i = 0; i < 20; i++) await upload();
      expect(b.memory()).toBe(before);
    });
  });
}
