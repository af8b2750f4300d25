import { expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import type { EncoderConfig } from "../../src/model/sensevoice/config.ts";
import { SenseVoice } from "../../src/model/sensevoice/network.ts";
import { modelParameters } from "../../src/model/sensevoice/parameters.ts";
import type { Prompt } from "../../src/model/sensevoice/prompt.ts";
import { loadWeights } from "../../src/model/sensevoice/weights.ts";
import { calibrate } from "../../src/quant/calibrate.ts";
import { outputError } from "../../src/quant/learn.ts";
import { Moments } from "../../src/quant/moments.ts";
import { quantizeTensor } from "../../src/quant/quantize.ts";
import { leastSquares, type Quantize, quantizeRefitted } from "../../src/quant/refit.ts";
import { PRESETS } from "../../src/quant/scheme.ts";
import { logitsOf, meanDivergence } from "../../src/quant/sensitivity.ts";
import { type QuantizeNamed, quantizeSequentially } from "../../src/quant/sequential.ts";
import { withVariations } from "../../src/quant/variations.ts";
import { asF32 } from "../../src/tensor/f16.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import { dequantize, type Weight } from "../../src/tensor/quantized.ts";
import { randomizer } from "../support/random.ts";
import { bellWeights, correlatedInputs, hessianOf, statisticsOf } from "./support.ts";

const encoder: EncoderConfig = {
  inputSize: 28,
  outputSize: 32,
  attentionHeads: 2,
  linearUnits: 64,
  numBlocks: 2,
  tpBlocks: 1,
  kernelSize: 3,
};
const config = { encoder, vocabSize: 12 };
const random = randomizer(11);
const tensors = modelParameters(config).map(({ name, shape }): [string, HostTensor] => [
  name,
  random(shape as number[], 0.3),
]);
const clips = Array.from({ length: 40 }, (_, i): Prompt => {
  const rows = 5 + (i % 7);
  return { features: { rows, data: random([rows, 28]).data as Float32Array }, language: "auto", itn: false };
});
const SCHEME = PRESETS["int4-gptq"];
/** By the plain functions. */
const quantize: QuantizeNamed = (name, weight, statistics) =>
  quantizeTensor(weight, [weight.length / statistics.k, statistics.k], SCHEME, { name, statistics });

async function modelOn(backend: Awaited<ReturnType<typeof createWasmBackend>>, changed?: ReadonlyMap<string, Weight>) {
  const all = tensors.map(([name, tensor]): [string, Weight] => [name, changed?.get(name) ?? tensor]);
  return new SenseVoice(backend, encoder, await loadWeights(backend, config, all));
}

test("in sequence a model in few bits is closer to the exact one, on calibration sound and on other sound", async () => {
  const backend = await createWasmBackend({ threads: 1 });
  const model = await modelOn(backend);
  const [heard, others] = [clips.slice(0, 30), clips.slice(30)];
  const sequential = new Map<string, Weight>();
  for await (const [name, tensor] of quantizeSequentially(model, heard, quantize)) sequential.set(name, tensor);
  expect([...sequential.keys()]).toEqual(
    [...model.weights.linears.keys()].flatMap((name) => [name, name.replace("weight", "bias")]),
  );
  const apart = new Map<string, Weight>();
  const statistics = await calibrate(model, heard);
  for (const [name, tensor] of tensors) {
    const own = { name, statistics: statistics.get(name) };
    const [n, k] = tensor.shape;
    if (own.statistics) apart.set(name, quantizeTensor(asF32(tensor), [n, k], SCHEME, own));
  }
  const lossOf = async (weights: ReadonlyMap<string, Weight>, prompts: readonly Prompt[]) => {
    const got = await logitsOf(await modelOn(backend, weights), prompts);
    return meanDivergence(await logitsOf(model, prompts), got);
  };
  expect(await lossOf(sequential, heard)).toBeLessThan((await lossOf(apart, heard)) * 0.6);
  expect(await lossOf(sequential, others)).toBeLessThan(await lossOf(apart, others));
  backend.close();
});

test("all that it makes on the device it gives back, even if it is left half-way", async () => {
  const backend = referenceBackend();
  const weights = await loadWeights(backend, config, tensors);
  const alive = new Set<unknown>();
  const watched = Object.entries(backend).map(([name, call]) => {
    if (typeof call !== "function" || ["read", "flush", "scope"].includes(name)) return [name, call];
    const watch = (...args: readonly never[]) => {
      const made = (call as (...args: readonly never[]) => unknown)(...args);
      if (name === "release") alive.delete(args[0]);
      else
        for (const tensor of made instanceof Object && !("shape" in made) ? Object.values(made) : [made])
          alive.add(tensor);
      return made;
    };
    return [name, watch];
  });
  const model = new SenseVoice(Object.fromEntries(watched) as typeof backend, encoder, weights);
  for (const steps of [1000, 6, 3, 1]) {
    let step = 0;
    for await (const _ of quantizeSequentially(model, clips.slice(0, 3), quantize)) {
      expect(alive.size).toBeGreaterThan(0);
      if (++step === steps) break;
    }
    expect(alive.size).toBe(0);
  }
});

test("moments are the sums over the rows of all batches", async () => {
  const backend = referenceBackend();
  const [n, k] = [3, 8];
  const moments = new Moments(backend, [n, k]);
  const [inputs, errors] = [[], []] as [number[][], number[][]];
  for (const rows of [5, 2]) {
    const [x, wanted, got] = [k, n, n].map((width) => random([rows, width]));
    await moments.add(backend.upload(x), backend.upload(wanted), backend.upload(got));
    for (let r = 0; r < rows; r++) {
      inputs.push(Array.from(x.data.subarray(r * k, (r + 1) * k), Number));
      errors.push(Array.from({ length: n }, (_, i) => Number(wanted.data[r * n + i]) - Number(got.data[r * n + i])));
    }
  }
  const mean = (of: number[][], i: number) => of.reduce((sum, row) => sum + row[i], 0) / of.length;
  const product = (a: number[][], i: number, b: number[][], j: number) =>
    a.reduce((sum, row, r) => sum + (row[i] - mean(a, i)) * (b[r][j] - mean(b, j)), 0);
  expect(moments.rows).toBe(7);
  for (let j = 0; j < k; j++) {
    expect(moments.means.inputs[j]).toBeCloseTo(mean(inputs, j), 5);
    for (let i = 0; i < k; i++) expect(moments.covariance[i * k + j]).toBeCloseTo(product(inputs, i, inputs, j), 4);
    for (let i = 0; i < n; i++) {
      expect(moments.crossCovariance[i * k + j]).toBeCloseTo(product(errors, i, inputs, j), 4);
    }
  }
});

test("inputs that are not finite are refused", async () => {
  const backend = referenceBackend();
  const [x, y] = [random([2, 8]), random([2, 3])];
  x.data[5] = Number.NaN;
  const adding = new Moments(backend, [3, 8]).add(backend.upload(x), backend.upload(y), backend.upload(y));
  await expect(adding).rejects.toThrow("[calibration] inputs: expected finite numbers, got NaN");
});

test("least squares: the step times the ridged matrix is the right side", () => {
  const [n, k] = [2, 12];
  const h = hessianOf(5, k);
  const c = Float64Array.from({ length: n * k }, (_, i) => Math.sin(i));
  const step = leastSquares(c, h, [n, k]);
  let trace = 0;
  for (let i = 0; i < k; i++) trace += h[i * k + i];
  for (let row = 0; row < n; row++) {
    for (let j = 0; j < k; j++) {
      let sum = (0.2 * trace * step[row * k + j]) / k;
      for (let i = 0; i < k; i++) sum += step[row * k + i] * h[i * k + j];
      expect(sum).toBeCloseTo(c[row * k + j], 8);
    }
  }
});

test("a layer makes up for what is wrong with its inputs, on average exactly", async () => {
  const [n, k, rows] = [16, 32, 400];
  const backend = referenceBackend();
  const weight = bellWeights(3, n, k);
  const bias = bellWeights(4, n, 1);
  const exact = correlatedInputs(6, rows, k);
  const given = exact.map((v, i) => 0.8 * v + 0.3 + 0.2 * exact[i - (i % k) + ((i + 1) % k)]);
  const upload = (shape: number[], data: Float32Array) => backend.upload({ dtype: "f32", shape, data });
  const run = (x: Float32Array, w: Weight, b: Float32Array) =>
    backend.linear(upload([rows, k], x), backend.uploadLinear(w), { bias: upload([n], b) });
  const own: Weight = { dtype: "f32", shape: [n, k], data: weight };
  const moments = new Moments(backend, [n, k]);
  const wanted = run(exact, own, bias);
  await moments.add(upload([rows, k], given), wanted, run(given, own, bias));
  const { activation, ...scheme } = PRESETS["int4-gptq"];
  const apart: Quantize = (weight, statistics) => quantizeTensor(weight, [n, k], scheme, { statistics });
  const refitted = await quantizeRefitted({ weight, bias }, moments, apart);
  const target = await backend.read(wanted);
  const errors = async (w: Weight, b: Float32Array) =>
    (await backend.read(run(given, w, b))).map((y, i) => y - target[i]);
  const after = await errors(refitted.weight, refitted.bias);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += after[r * n + i];
    expect(Math.abs(sum / rows)).toBeLessThan(1e-5);
  }
  const unmoved = await apart(weight, statisticsOf(given, k));
  const square = (of: Float32Array) => of.reduce((sum, e) => sum + e * e, 0);
  expect(square(after)).toBeLessThan(square(await errors(unmoved, bias)) / 4);
  // With inputs that are as they should be it is GPTQ on the covariance.
  const same = new Moments(backend, [n, k]);
  await same.add(upload([rows, k], exact), wanted, wanted);
  const plain = await apart(weight, { k, rows, hessian: same.covariance, ...same.sizes });
  const { weight: refit } = await quantizeRefitted({ weight, bias }, same, apart);
  expect(outputError(dequantize(refit), weight, same.covariance, [n, k])).toBe(
    outputError(dequantize(plain), weight, same.covariance, [n, k]),
  );
});

test("variations: each clip in four other ways, the same every time", () => {
  const pcm = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i / 5));
  const [own, ...others] = withVariations([{ pcm, itn: true }]);
  expect(own).toEqual({ pcm, itn: true });
  expect(others.map(({ pcm, itn }) => [pcm.length, itn])).toEqual([
    [1086, false],
    [925, true],
    [1000, false],
    [1176, true],
  ]);
  expect(withVariations([{ pcm, itn: true }]).slice(1)).toEqual(others);
  const noise = others[2].pcm.map((v, i) => v / 0.5 - pcm[i]);
  const power = (of: Float32Array) => of.reduce((sum, v) => sum + v * v, 0);
  expect(10 * Math.log10(power(pcm) / power(noise))).toBeCloseTo(30, 0);
  expect(withVariations([{ pcm: new Float32Array(0), itn: false }]).every(({ pcm }) => pcm.length === 0)).toBe(true);
});
