import { afterAll, beforeAll, expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { layerNorm } from "../../src/kernels/reference/layerNorm.ts";
import { quantizeRows } from "../../src/kernels/reference/linearInt8.ts";
import { openGpu } from "../../src/kernels/webgpu/adapter.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import { Gpu } from "../../src/kernels/webgpu/gpu.ts";
import { quantizeRowsDispatch } from "../../src/kernels/webgpu/quantizeRows.ts";
import { PLAIN_TRAITS } from "../../src/kernels/webgpu/traits.ts";
import type { Backend, LinearWeight, Tensor } from "../../src/tensor/backend.ts";
import { BYTES_PER_ELEMENT, elementCount, type HostTensor } from "../../src/tensor/host.ts";
import { type Computation, type Runner, runnerOf } from "../support/backend.ts";
import { describeGpu, testGpu } from "../support/gpu.ts";
import {
  COLUMNS,
  INT8,
  INT8_SCHEMES,
  INT8_STATIC,
  linearsOf,
  type RandomScheme,
  ROWS,
  randomQuantized,
  SCHEMES,
  WIDTHS,
} from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

const INT8_IN_4 = { bits: 4, scale: 32, activation: "dynamic" } satisfies RandomScheme;

describeGpu("quantised weights on WebGPU against the reference", () => {
  const reference = runnerOf(referenceBackend());
  let gpu: Gpu;
  let webgpu: Runner;
  /** GPUs may be 2.5 ulp off in 127 / max|x|, which tips a code now and then; those in software are exact. */
  let dividesExactly: boolean;
  beforeAll(async () => {
    gpu = await testGpu();
    dividesExactly = /swiftshader|llvmpipe/i.test(gpu.name);
    webgpu = runnerOf(webgpuBackend(gpu));
  });
  afterAll(() => webgpu?.close());

  async function difference(compute: Computation, gpuBackend = webgpu): Promise<number> {
    const [got, expected] = await Promise.all([gpuBackend, reference].map(({ run }) => run(compute)));
    expect(expected.some((x) => x !== 0)).toBe(true);
    return relativeError(got, expected, 1);
  }

  for (const [s, scheme] of SCHEMES.entries()) {
    test(`codes: ${JSON.stringify(scheme)}`, async () => {
      for (const compute of linearsOf(scheme, s)) {
        expect(await difference(compute)).toBeLessThan(TOLERANCE.kernel);
      }
    });
  }

  for (const [s, scheme] of INT8_SCHEMES.entries()) {
    test(`int8: ${JSON.stringify(scheme)}, to the bit`, async () => {
      const exact = scheme.activation !== "dynamic" || dividesExactly;
      for (const compute of linearsOf(scheme, s)) {
        expect(await difference(compute)).toBeLessThanOrEqual(exact ? 0 : TOLERANCE.int8Layer);
      }
    });
  }

  for (const rows of ROWS) {
    test(`codes: ${rows} rows, every width and number of columns`, async () => {
      for (const k of WIDTHS) {
        for (const n of COLUMNS) {
          const x = randomizer(rows)([rows, k]);
          const weight = randomQuantized(n, [n, k], { bits: 4, scale: 32 });
          expect(await difference((b) => b.linear(b.upload(x), b.uploadLinear(weight)))).toBeLessThan(TOLERANCE.kernel);
        }
      }
    });

    test(`int8: ${rows} rows to the bit, every width and number of columns`, async () => {
      for (const k of WIDTHS) {
        for (const n of COLUMNS) {
          const random = randomizer(rows + k);
          const [x, bias, residual] = [random([rows, k]), random([n]), random([rows, n])];
          for (const scheme of [INT8, INT8_STATIC, INT8_IN_4]) {
            const weight = randomQuantized(n, [n, k], scheme);
            const error = await difference((b) => {
              const options = { bias: b.upload(bias), relu: k === 96, residual: b.upload(residual) };
              return b.linear(b.upload(x), b.uploadLinear(weight), options);
            });
            const exact = scheme === INT8_STATIC || dividesExactly;
            expect(error).toBeLessThanOrEqual(exact ? 0 : TOLERANCE.int8Layer);
          }
        }
      }
    });
  }

  test("rows in int8: the reference's scales and codes", async () => {
    for (const k of [4, 32, 96, 256, 560]) {
      const x = randomizer(k)([171, k], 3);
      (x.data as Float32Array).fill(0, 0, k); // a row of zeros
      for (const activation of ["dynamic", 0.01] as const) {
        const expected = quantizeRows(x.data as Float32Array, [171, k], activation);
        const { values, scales } = await int8Rows(x, activation);
        const exact = activation !== "dynamic" || dividesExactly;
        const differing = values.filter((value, i) => value !== expected.values[i]).length;
        expect(differing).toBeLessThanOrEqual(exact ? 0 : Math.ceil(values.length * TOLERANCE.int8Codes));
        expect(scales).toEqual(expected.scales);
      }
    }
  });

  test("layer norm and int8 in one: codes differ by one at most, and rarely", async () => {
    const random = randomizer(9);
    const [x, gamma, beta] = [random([171, 560], 50), random([560]), random([560])];
    const normed = layerNorm(x.data as Float32Array, gamma.data as Float32Array, beta.data as Float32Array, [171, 560]);
    for (const activation of ["dynamic", 0.02] as const) {
      const expected = quantizeRows(normed, [171, 560], activation);
      const { values, scales } = await int8Rows(x, activation, [gamma, beta]);
      expect(relativeError(scales, expected.scales)).toBeLessThan(TOLERANCE.int8Scale);
      const differences = values.map((value, i) => Math.abs(value - expected.values[i]));
      expect(differences.every((d) => d <= 1)).toBe(true);
      expect(differences.filter((d) => d === 1).length).toBeLessThan(values.length * TOLERANCE.int8Codes);
    }
  });

  /** The rows as the device makes them, without the zeros behind. */
  async function int8Rows(x: HostTensor, activation: "dynamic" | number, norm?: [HostTensor, HostTensor]) {
    const upload = (tensor: HostTensor) => {
      const uploaded = gpu.createTensor(tensor.shape);
      gpu.write(uploaded, tensor.data);
      return uploaded;
    };
    const gpuNorm = norm && { gamma: upload(norm[0]), beta: upload(norm[1]) };
    const dispatch = quantizeRowsDispatch(gpu, upload(x), activation, gpuNorm);
    gpu.dispatch(dispatch);
    const [words, scales] = [await gpu.read(dispatch.writes[0]), await gpu.read(dispatch.writes[1])];
    const [rows, k] = x.shape;
    const padded = new Int8Array(words.buffer);
    const values = new Int8Array(rows * k);
    for (let r = 0; r < rows; r++) {
      const row = padded.subarray((r * padded.length) / rows, ((r + 1) * padded.length) / rows);
      values.set(row.subarray(0, k), r * k);
      expect(row.subarray(k).every((v) => v === 0)).toBe(true);
    }
    return { values, scales };
  }

  test("a norm in front, of weights of each kind", async () => {
    const random = randomizer(4);
    const [x, gamma, beta] = [random([33, 96], 20), random([96]), random([96])];
    const weights = [
      random([31, 96], 0.1),
      ...[INT8, INT8_IN_4, SCHEMES[0]].map((s) => randomQuantized(5, [31, 96], s)),
    ];
    for (const weight of weights) {
      const error = await difference((b) => {
        const norm = { gamma: b.upload(gamma), beta: b.upload(beta) };
        return b.linear(b.upload(x), b.uploadLinear(weight), { norm });
      });
      expect(error).toBeLessThan(TOLERANCE.kernel);
    }
  });

  test("scales of groups are kept in f16, those of rows in f32", () => {
    const bytesOf = (scheme: RandomScheme, linear: string) => {
      const weight = webgpuBackend(gpu, { linear }).uploadLinear(randomQuantized(4, [64, 256], scheme));
      return elementCount(weight.tensors[1].shape) * BYTES_PER_ELEMENT[weight.tensors[1].dtype];
    };
    for (const linear of ["plain", "int8 64x64"]) {
      expect(bytesOf(INT8_IN_4, linear)).toBe(64 * 8 * 2);
      expect(bytesOf(INT8, linear)).toBe(64 * 4);
    }
    expect(bytesOf({ bits: 4, scale: 64 }, "codes 64x64")).toBe(64 * 4 * 2);
  });

  test("int8 without dot4I8Packed is the same to the bit", async () => {
    const { device } = (await openGpu()) ?? expect.fail("there was an adapter");
    const byHand = runnerOf(webgpuBackend(new Gpu(device, "no dot", PLAIN_TRAITS)));
    const random = randomizer(6);
    const [x, bias] = [random([33, 560]), random([31])];
    for (const scheme of [INT8, INT8_IN_4]) {
      const weight = randomQuantized(7, [31, 560], scheme);
      const linear: Computation = (b) => {
        return b.linear(b.upload(x), b.uploadLinear(weight), { bias: b.upload(bias) });
      };
      expect(await difference(linear, byHand)).toBeLessThanOrEqual(dividesExactly ? 0 : TOLERANCE.int8Layer);
    }
    byHand.close();
  });

  test("the largest sums fit: all of x and w at their limits, K = 2048", async () => {
    const x: HostTensor = { dtype: "f32", shape: [1, 2048], data: new Float32Array(2048).fill(-3) };
    const codes = new Uint32Array(4 * 512); // code 0 is −128
    const scales = Float32Array.of(0.1, 0.2, 0.3, 0.4);
    const shape = [4, 2048] as const;
    for (const activation of ["dynamic", 0.001] as const) {
      const weight = {
        dtype: "quantized",
        shape,
        bits: 8,
        groupSize: 2048,
        codes,
        scales,
        activation,
      } as const;
      expect(await difference((b) => b.linear(b.upload(x), b.uploadLinear(weight)))).toBe(0);
    }
  });

  test("the CTC head in few bits, in more than one chunk of rows", async () => {
    const random = randomizer(8);
    const [x, bias] = [random([1100, 32]), random([40])];
    const tokens: HostTensor = { dtype: "u32", shape: [3], data: Uint32Array.of(4, 0, 2) };
    for (const scheme of [INT8, INT8_STATIC, INT8_IN_4, SCHEMES[0], SCHEMES[3]]) {
      const weight = randomQuantized(3, [40, 32], scheme);
      const head = <T extends Tensor, W extends LinearWeight<T>>(b: Backend<T, W>) => {
        return { weight: b.uploadLinear(weight), bias: b.upload(bias) };
      };
      // Ids are equal: to be off by one in 140 is more than the tolerance.
      expect(await difference((b) => b.ctcTopK(b.upload(x), head(b), 1))).toBeLessThan(TOLERANCE.kernel);
      const error = await difference((b) => {
        return b.ctcLogProbs(b.upload(x), head(b), b.upload(tokens), 0, 1100);
      });
      expect(error).toBeLessThan(TOLERANCE.kernel);
    }
  });

  test("a weight that contradicts itself is refused by every backend", () => {
    const weight = randomQuantized(1, [8, 64], { bits: 4, scale: 32 });
    for (const { use } of [webgpu, reference]) {
      use(({ uploadLinear }) => {
        expect(() => uploadLinear({ ...weight, codes: weight.codes.subarray(1) })).toThrow(
          "[linear] codes: expected 64 words, got 63",
        );
        expect(() => uploadLinear({ ...weight, activation: 0 })).toThrow("[linear] activation");
      });
    }
  });
});
