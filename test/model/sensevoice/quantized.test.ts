import { afterAll, beforeAll, expect, test } from "vitest";
import { ReferenceBackend } from "../../../src/kernels/reference/backend.ts";
import { SenseVoice } from "../../../src/model/sensevoice/network.ts";
import { loadWeights } from "../../../src/model/sensevoice/weights.ts";
import type { Backend } from "../../../src/tensor/backend.ts";
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
  const reference = new ReferenceBackend();
  let webgpu: Backend;
  beforeAll(async () => {
    webgpu = await testWebgpuBackend();
  });
  afterAll(() => webgpu?.close());

  async function encode(backend: Backend, schemes: readonly RandomScheme[]): Promise<Float32Array[]> {
    const model = new SenseVoice(
      backend,
      TOY.encoder,
      await loadWeights(backend, TOY.encoder, toyTensors(schemes)),
    );
    const features = [9, 40].map((rows) => ({
      rows,
      data: randomizer(rows)([rows, 56]).data as Float32Array,
    }));
    const { x } = model.encode(features.map((features) => ({ language: "auto", itn: false, features })));
    return Promise.all([x, backend.ctcGreedy(x, model.head)].map((tensor) => backend.read(tensor)));
  }

  test.each([
    ["codes", CODES, TOLERANCE.layerWebgpu],
    ["int8", [INT8], TOLERANCE.int8Layer],
    [
      "codes × int8",
      CODES.map((scheme): RandomScheme => ({ ...scheme, activation: "dynamic" })),
      TOLERANCE.int8Layer,
    ],
  ])("%s", async (_, schemes, tolerance) => {
    const [got, expected] = [await encode(webgpu, schemes), await encode(reference, schemes)];
    expect(relativeError(got[0], expected[0])).toBeLessThan(tolerance);
    expect(relativeError(got[1], expected[1], 1)).toBeLessThan(tolerance);
  });
});
