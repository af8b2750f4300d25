import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import { createEngine, readAudio } from "../../src/node.ts";
import type { Backend, LinearWeight, Tensor } from "../../src/tensor/backend.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import type { QuantizedTensor } from "../../src/tensor/quantized.ts";
import { type Computation, type Runner, runnerOf } from "../support/backend.ts";
import {
  COLUMNS,
  INT8,
  INT8_SCHEMES,
  INT8_STATIC,
  linearsOf,
  ROWS,
  randomQuantized,
  SCHEMES,
  WIDTHS,
} from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

const sample = (name: string) => readAudio(new URL(`../../samples/${name}`, import.meta.url).pathname);

describe("quantised weights in WASM, on one thread and on two, against the reference", () => {
  const reference = runnerOf(referenceBackend());
  let backends: Runner[] = [];
  beforeAll(async () => {
    backends = await Promise.all([1, 2].map(async (threads) => runnerOf(await createWasmBackend({ threads }))));
  });
  afterAll(() => {
    for (const backend of backends) backend.close();
  });

  /** The larger of the two backends' errors. */
  async function difference(compute: Computation): Promise<number> {
    const [expected, ...results] = await Promise.all([reference, ...backends].map(({ run }) => run(compute)));
    expect(expected.some((x) => x !== 0)).toBe(true);
    return Math.max(...results.map((got) => relativeError(got, expected, 1)));
  }

  for (const [s, scheme] of SCHEMES.entries()) {
    test(`codes: ${JSON.stringify(scheme)}`, async () => {
      for (const compute of linearsOf(scheme, s)) {
        expect(await difference(compute)).toBeLessThan(TOLERANCE.kernel);
      }
    });
  }

  for (const [s, scheme] of INT8_SCHEMES.entries()) {
    test(`int8 activations, to the bit: ${JSON.stringify(scheme)}`, async () => {
      for (const compute of linearsOf(scheme, s)) {
        expect(await difference(compute)).toBe(0);
      }
    });
  }

  for (const rows of [5, ...ROWS]) {
    test(`codes: ${rows} rows, every width and number of columns`, async () => {
      for (const k of WIDTHS) {
        for (const n of COLUMNS) {
          const x = randomizer(rows)([rows, k]);
          const weight = randomQuantized(n, [n, k], { bits: 4, scale: 32 });
          const error = await difference((b) => b.linear(b.upload(x), b.uploadLinear(weight)));
          expect(error).toBeLessThan(TOLERANCE.kernel);
        }
      }
    });

    test(`int8: ${rows} rows to the bit, every width and number of columns`, async () => {
      for (const k of WIDTHS) {
        for (const n of COLUMNS) {
          const random = randomizer(rows + k);
          const [x, bias, residual] = [random([rows, k], 2), random([n]), random([rows, n])];
          const weight = randomQuantized(n, [n, k], n === 256 ? INT8_STATIC : INT8);
          const error = await difference((b) => {
            const options = { bias: b.upload(bias), relu: k === 96, residual: b.upload(residual) };
            return b.linear(b.upload(x), b.uploadLinear(weight), options);
          });
          expect(error).toBe(0);
        }
      }
    });
  }

  test("scales that f16 does not hold are taken as they are", async () => {
    for (const activation of [undefined, "dynamic"] as const) {
      const stored = randomQuantized(3, [31, 96], { bits: 4, scale: 32, activation });
      const weight = { ...stored, scales: stored.scales.map((scale) => scale * 1.0001) };
      const x = randomizer(3)([7, 96]);
      const error = await difference((b) => b.linear(b.upload(x), b.uploadLinear(weight)));
      expect(error).toBeLessThan(activation ? TOLERANCE.int8Product : TOLERANCE.kernel);
    }
  });

  test("int8 of a row of zeros, and of numbers too small to divide by", async () => {
    const x = randomizer(2)([5, 64]);
    (x.data as Float32Array).fill(0, 0, 64).fill(1e-35, 64, 128);
    const weight = randomQuantized(1, [31, 64], INT8);
    expect(await difference((b) => b.linear(b.upload(x), b.uploadLinear(weight)))).toBe(0);
  });

  test("int8 behind a ReLU, where no x is negative: to the bit", async () => {
    for (const rows of ROWS) {
      const random = randomizer(rows);
      const [x, bias] = [random([rows, 96], 2), random([256])];
      const [first, second] = [randomQuantized(6, [256, 96], INT8), randomQuantized(7, [31, 256], INT8)];
      const error = await difference((b) => {
        const hidden = b.linear(b.upload(x), b.uploadLinear(first), { bias: b.upload(bias), relu: true });
        return b.linear(hidden, b.uploadLinear(second));
      });
      expect(error).toBe(0);
    }
  });

  test("a norm in front, of weights of each kind", async () => {
    const random = randomizer(4);
    const [x, gamma, beta] = [random([33, 96], 20), random([96]), random([96])];
    for (const scheme of [INT8, SCHEMES[0]]) {
      const weight = randomQuantized(5, [31, 96], scheme);
      const error = await difference((b) => {
        const norm = { gamma: b.upload(gamma), beta: b.upload(beta) };
        return b.linear(b.upload(x), b.uploadLinear(weight), { norm });
      });
      expect(error).toBeLessThan(TOLERANCE.kernel);
    }
  });

  test("the largest sums fit: all of x and w at their limits, K = 2¹⁷", async () => {
    const k = 2 ** 17;
    const x: HostTensor = { dtype: "f32", shape: [1, k], data: new Float32Array(k).fill(-3) };
    for (const activation of ["dynamic", 0.001] as const) {
      const weight: QuantizedTensor = {
        ...{ dtype: "quantized", shape: [4, k], bits: 8, groupSize: k, activation },
        codes: new Uint32Array(k), // code 0 is −128
        scales: Float32Array.of(0.1, 0.2, 0.3, 0.4),
      };
      expect(await difference((b) => b.linear(b.upload(x), b.uploadLinear(weight)))).toBe(0);
    }
  });

  test("the CTC head in few bits, in more than one chunk of rows", async () => {
    const random = randomizer(8);
    const [x, bias] = [random([1100, 32]), random([140])];
    const tokens: HostTensor = { dtype: "u32", shape: [3], data: Uint32Array.of(4, 0, 139) };
    for (const scheme of [INT8, INT8_STATIC, SCHEMES[0], SCHEMES[1], SCHEMES[2], SCHEMES[3]]) {
      const weight = randomQuantized(3, [140, 32], scheme);
      const head = <T extends Tensor, W extends LinearWeight<T>>(b: Backend<T, W>) => {
        return { weight: b.uploadLinear(weight), bias: b.upload(bias) };
      };
      // Ids are equal: to be off by one in 140 is more than the tolerance.
      expect(await difference((b) => b.ctcTopK(b.upload(x), head(b), 1, 2))).toBeLessThan(TOLERANCE.kernel);
      const error = await difference((b) => {
        return b.ctcLogProbs(b.upload(x), head(b), b.upload(tokens), 0, 1100);
      });
      expect(error).toBeLessThan(TOLERANCE.kernel);
    }
  });
});

test("weights stay in few bits in memory", async () => {
  const shape = [512, 512] as const;
  for (const [scheme, bitsOfWeight] of [
    [INT8, 8],
    [{ bits: 3, scale: 64, zeros: true }, 3 + (16 + 8) / 64],
    [{ bits: 4, scale: 32 }, 4 + 16 / 32],
    [{ bits: 4, scale: 64, tables: "matrix" }, 4 + 16 / 64],
    [{ bits: 4, scale: "row", tables: "row" }, 4 + (16 + 16 * 32) / 512],
  ] as const) {
    const wasm = await createWasmBackend({ threads: 1 });
    const weight = randomQuantized(1, shape, scheme);
    wasm.uploadLinear(weight);
    const before = wasm.memory();
    for (let i = 0; i < 4; i++) wasm.uploadLinear(weight);
    const bits = ((wasm.memory() - before) * 8) / (4 * shape[0] * shape[1]);
    expect(bits).toBeGreaterThanOrEqual(bitsOfWeight);
    expect(bits).toBeLessThan(bitsOfWeight * TOLERANCE.size);
    wasm.close();
  }
});

test("the tiny model with int8 and int4 weights says what it says on the reference", async () => {
  const clips = await Promise.all(["en.wav", "zh-happy.wav", "ja.wav"].map(sample));
  for (const weights of ["int8", "int4"] as const) {
    const tokens = async (device: "cpu" | "reference") => {
      const engine = await createEngine({ model: "tiny", device, weights, threads: 2 });
      const transcripts = [];
      for (const clip of clips) transcripts.push((await engine.run(clip)).tokens);
      await engine.close();
      return transcripts;
    };
    const expected = await tokens("reference");
    expect(expected.every((clip) => clip.length > 4)).toBe(true);
    expect(await tokens("cpu")).toEqual(expected);
  }
});
