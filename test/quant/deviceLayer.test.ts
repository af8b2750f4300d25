import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWasmBackend, type WasmBackend } from "../../src/kernels/wasm/backend.ts";
import { QuantKernels, type SquareOnDevice } from "../../src/kernels/wasm/quantKernels.ts";
import { DeviceLayer } from "../../src/quant/deviceLayer.ts";
import { outputError } from "../../src/quant/learn.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { PRESETS, type Scheme } from "../../src/quant/scheme.ts";
import { meanDivergence } from "../../src/quant/sensitivity.ts";
import { dequantize } from "../../src/tensor/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";
import { bellWeights, correlatedInputs, statisticsOf } from "./support.ts";

const ROWS = { ...PRESETS.lut4, granularity: "channel", groupSize: undefined } as const;
const TENSOR = { granularity: "tensor", groupSize: undefined } as const;

const backends: WasmBackend[] = [];
const kernelsOn: QuantKernels[] = [];
beforeAll(async () => {
  for (const threads of [1, 2, 3]) backends.push(await createWasmBackend({ threads }));
  for (const { device } of backends) kernelsOn.push(new QuantKernels(device));
});
afterAll(() => {
  for (const backend of backends) backend.close();
});

/** XᵀX of inputs that come in two parts. */
function heard(kernels: QuantKernels, x: Float32Array, k: number): SquareOnDevice {
  const { device } = kernels;
  const hessian = kernels.createSquare(k);
  const middle = Math.floor(((x.length / k) * 9) / 10);
  for (const [i, part] of [x.slice(0, middle * k), x.slice(middle * k)].entries()) {
    const tensor = device.upload([part.length / k, k], "f32", part);
    kernels.gram(tensor, hessian, i > 0);
    device.release(tensor);
  }
  kernels.mirror(hessian);
  return hessian;
}

describe.each([
  [70, 124, 300],
  [31, 48, 33],
  [171, 100, 127],
  [3, 560, 600],
])("a weight [%i, %i] that hears %i rows", (n, k, rows) => {
  const weight = bellWeights(3, n, k);
  const inputs = correlatedInputs(4, rows, k);
  const statistics = statisticsOf(inputs, k);

  async function onDevice<T>(kernels: QuantKernels, use: (layer: DeviceLayer) => Promise<T>): Promise<T> {
    const hessian = heard(kernels, inputs, k);
    const layer = new DeviceLayer(kernels, "w_1", kernels.device.upload([n, k], "f32", weight), { hessian });
    try {
      return await use(layer);
    } finally {
      await layer.release();
      kernels.release(hessian);
    }
  }

  test("XᵀX is that of the plain sums", async () => {
    for (const kernels of kernelsOn) {
      const hessian = heard(kernels, inputs, k);
      const got = await kernels.readSquare(hessian);
      const again = kernels.uploadSquare(got, k);
      expect(await kernels.device.read(again.tensor)).toEqual(await kernels.device.read(hessian.tensor));
      kernels.release(again);
      const diagonal = await kernels.diagonal(hessian);
      kernels.release(hessian);
      expect(relativeError(got, statistics.hessian)).toBeLessThan(TOLERANCE.gram);
      expect(Array.from(diagonal)).toEqual(Array.from({ length: k }, (_, i) => got[i * k + i]));
    }
  });

  test.each<[string, Scheme]>([
    ["int8", PRESETS.int8],
    ["int4", PRESETS.int4],
    ["int4-gptq", PRESETS["int4-gptq"]],
    ["nf4", PRESETS.nf4],
    ["pot4 with GPTQ", { ...PRESETS.pot4, compensate: "gptq" }],
    ["kmeans4", PRESETS.kmeans4],
    ["kmeans4 with GPTQ", { ...PRESETS.kmeans4, compensate: "gptq" }],
    ["lut3", PRESETS.lut3],
    ["lut4", PRESETS.lut4],
    ["lut6", PRESETS.lut6],
    ["lut4 in f16 for f32 inputs", { ...PRESETS.lut4, activation: undefined }],
    ["lut4 with the largest weights' scales", { ...PRESETS.lut4, scale: "max" }],
    ["a learned table of 2 bits for all rows, a scale for each", { ...ROWS, bits: 2 }],
    ["the same of 4 bits", ROWS],
    [
      "a table for each row, which the kernels leave to the plain functions",
      { ...ROWS, bits: 3, activation: undefined },
    ],
    ["rows of 3 bits", { bits: 3, values: "uniform", granularity: "channel", scale: "mse", compensate: "gptq" }],
    ["one scale, which the kernels leave to the plain functions", { ...PRESETS.nf4, ...TENSOR, compensate: "gptq" }],
    ["a table of its own, which they leave too", { ...PRESETS.nf4, bits: 2, table: [-1, -0.25, 0.25, 1] }],
    ["zero points, as well", { bits: 3, values: "uniform", granularity: "channel", symmetric: false }],
  ])("becomes what the plain functions make of it, whatever the threads: %s", async (_, scheme) => {
    const expected = quantizeTensor(weight, [n, k], scheme, { statistics });
    const all = await Promise.all(kernelsOn.map((kernels) => onDevice(kernels, (layer) => layer.quantize(scheme))));
    for (const got of all) expect(got).toEqual(all[0]);
    const [got] = all;
    expect({ ...got, codes: 0, scales: 0, tables: 0 }).toEqual({ ...expected, codes: 0, scales: 0, tables: 0 });
    const [values, wanted] = [got, expected].map(dequantize);
    const others = values.filter((value, i) => Math.abs(value - wanted[i]) > TOLERANCE.f32 * Math.abs(wanted[i]));
    expect(others.length / values.length).toBeLessThanOrEqual(TOLERANCE.otherWeights);
    const errorOf = (of: Float32Array) => outputError(of, weight, statistics.hessian, [n, k]);
    expect(relativeError([errorOf(values)], [errorOf(wanted)])).toBeLessThan(TOLERANCE.outputError);
    const told = await onDevice(kernelsOn[1], (layer) => layer.errorOf(scheme));
    expect(relativeError([told], [errorOf(values)])).toBeLessThan(TOLERANCE.outputError);
  });
});

test("where f32 is not enough for the factor of XᵀX, the plain functions do it", async () => {
  class Failing extends QuantKernels {
    override cholesky(hessian: SquareOnDevice, order: Uint32Array) {
      return super.cholesky(hessian, order, -1e9);
    }
  }
  const [n, k] = [40, 64];
  const kernels = new Failing(backends[1].device);
  const inputs = correlatedInputs(1, 90, k);
  const hessian = heard(kernels, inputs, k);
  const weight = bellWeights(1, n, k);
  const layer = new DeviceLayer(kernels, "w_1", kernels.device.upload([n, k], "f32", weight), { hessian });
  for (const scheme of [PRESETS["int4-gptq"], PRESETS.lut4]) {
    const statistics = { ...statisticsOf(inputs, k), hessian: await kernels.readSquare(hessian) };
    expect(await layer.quantize(scheme)).toEqual(quantizeTensor(weight, [n, k], scheme, { statistics }));
  }
});

test("every so many rows of a weight, in floats of either size", async () => {
  const [backend, kernels] = [backends[1], kernelsOn[1]];
  const weight = randomizer(5)([19, 28]);
  const half = { dtype: "f16" as const, shape: [19, 28], data: new Uint16Array(19 * 28).map((_, i) => 0x3c00 + i) };
  for (const stride of [1, 3, 19]) {
    const rows = await backend.read(kernels.unpack(backend.uploadLinear(weight), stride));
    expect(Array.from(rows)).toEqual(Array.from(weight.data).filter((_, i) => Math.floor(i / 28) % stride === 0));
    const halves = await backend.read(kernels.unpack(backend.uploadLinear(half), stride));
    expect(halves[1]).toBe(1 + 1 / 1024);
  }
});

test("the divergence of logits is that of the plain sums, in rows of any length", async () => {
  const kernels = kernelsOn[1];
  for (const n of [1, 3, 4, 31, 995]) {
    const [a, b] = [randomizer(n)([5, n], 8), randomizer(n + 1)([5, n], 0.01)].map(({ data }) => data as Float32Array);
    const other = a.map((x, i) => x + b[i]);
    const [left, right] = [a, other].map((data) => kernels.device.upload([5, n], "f32", data));
    const got = await kernels.divergences(left, right);
    for (let row = 0; row < 5; row++) {
      const [before, after] = [a, other].map((data) => [{ logits: data.subarray(row * n, (row + 1) * n), vocab: n }]);
      expect(Math.abs(got[row] - meanDivergence(before, after))).toBeLessThan(TOLERANCE.divergence);
    }
  }
});

describe("errors", () => {
  const k = 64;
  const layerOf = (x: Float32Array) => {
    const kernels = kernelsOn[1];
    const weight = kernels.device.upload([40, k], "f32", bellWeights(1, 40, k));
    return new DeviceLayer(kernels, "w_1", weight, { hessian: heard(kernels, x, k) });
  };

  test("inputs that are no numbers", async () => {
    const x = correlatedInputs(1, 30, k);
    x[70] = Number.NaN;
    await expect(layerOf(x).quantize(PRESETS.lut4)).rejects.toThrow(
      "[calibration] inputs: expected finite numbers, got NaN",
    );
  });

  test("inputs that are always 0 do no harm", async () => {
    const got = await layerOf(new Float32Array(30 * k)).quantize(PRESETS["int4-gptq"]);
    const values = dequantize(got);
    expect(values.every((v, i) => Math.abs(v - bellWeights(1, 40, k)[i]) < 0.05)).toBe(true);
  });
});
