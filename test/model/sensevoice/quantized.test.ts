import { afterAll, beforeAll, expect, test } from "vitest";
import { referenceBackend } from "../../../src/kernels/reference/backend.ts";
import { SenseVoice } from "../../../src/model/sensevoice/network.ts";
import { loadWeights } from "../../../src/model/sensevoice/weights.ts";
import type { Backend, LinearWeight, Tensor } from "../../../src/tensor/backend.ts";
import { type Runner, runnerOf } from "../../support/backend.ts";
import { describeGpu, testWebgpuBackend } from "../../support/gpu.ts";
import { INT8, type RandomScheme } from "../../support/quantized.ts";
import { randomizer } from "../../support/random.ts";
import { relativeError, TOLERANCE } from "../../support/tolerances.ts";
import { TOY, toyTensors } from "../../support/toyModel.ts";

const CODES: readonly RandomScheme[] = [
  { bits: 4, scale: 32, zeros: true },
  { bits: 3, scale: 32, tables: "matrix" },
];

describeGpu("a model in few bits, WebGPU against the reference", () => {
  const reference = runnerOf(referenceBackend());
  let webgpu: Runner;
  beforeAll(async () => {
    webgpu = runnerOf(await testWebgpuBackend());
  });
  afterAll(() => webgpu?.close());

  async function encode<T extends Tensor, W extends LinearWeight<T>>(
    backend: Backend<T, W>,
    schemes: readonly RandomScheme[],
  ): Promise<Float32Array[]> {
    const weights = await loadWeights(backend, TOY, toyTensors(schemes));
    const model = new SenseVoice(backend, TOY.encoder, weights);
    const features = [9, 40].map((rows) => ({
      rows,
      data: randomizer(rows)([rows, 56]).data as Float32Array,
    }));
    const { x } = await model.encode(features.map((features) => ({ language: "auto", itn: false, features })));
    return Promise.all([x, backend.ctcTopK(x, weights.head, 1)].map((tensor) => backend.read(tensor)));
  }

  test.each([
    ["codes", CODES, TOLERANCE.layerWebgpu],
    ["int8", [INT8], TOLERANCE.int8Layer],
    ["codes × int8", CODES.map((scheme): RandomScheme => ({ ...scheme, activation: "dynamic" })), TOLERANCE.int8Layer],
  ])("%s", async (_, schemes, tolerance) => {
    const [got, expected] = [
      await webgpu.use((backend) => encode(backend, schemes)),
      await reference.use((backend) => encode(backend, schemes)),
    ];
    expect(relativeError(got[0], expected[0])).toBeLessThan(tolerance);
    expect(relativeError(got[1], expected[1], 1)).toBeLessThan(tolerance);
  });
});
