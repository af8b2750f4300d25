import { type randomModelConfig, randomModelTensors } from "../../scripts/random-weights.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import type { Dispatch, Gpu, GpuTensor } from "../../src/kernels/webgpu/gpu.ts";
import type { DeviceTraits } from "../../src/kernels/webgpu/traits.ts";
import { SenseVoice } from "../../src/model/sensevoice/network.ts";
import { loadWeights } from "../../src/model/sensevoice/weights.ts";
import { elementCount } from "../../src/tensor/host.ts";
import { BLOCK, type Weight } from "../../src/tensor/quantized.ts";

/** Codes of zeros: what they are does not matter where nothing is computed. */
const quantized =
  (bits: number, group?: number, activation?: "dynamic") =>
  ({ shape: [n, k] }: Weight): Weight => {
    const groupSize = group ?? k;
    const codes = new Uint32Array(n * Math.ceil(k / BLOCK) * bits);
    const scales = new Float32Array(n * Math.ceil(k / groupSize));
    return { dtype: "quantized", shape: [n, k], bits, groupSize, codes, scales, activation };
  };

/** What becomes of a linear weight of floats. */
export const WEIGHTS: Record<string, (weight: Weight) => Weight> = {
  f32: (weight) => weight,
  f16: ({ shape: [n, k] }) => ({ dtype: "f16", shape: [n, k], data: new Uint16Array(n * k) }),
  int8: quantized(8, undefined, "dynamic"),
  "int4 in groups": quantized(4, 32, "dynamic"),
  "int4, x in f32": quantized(4, 32),
};

/** What a forward pass over a clip of so many rows dispatches on a device of these traits, which only counts. */
export async function dispatchesOf(
  traits: DeviceTraits,
  convert: (weight: Weight) => Weight,
  config: ReturnType<typeof randomModelConfig>,
  rows: number,
): Promise<Dispatch[]> {
  const dispatches: Dispatch[] = [];
  const gpu = {
    traits,
    createTensor: (shape: readonly number[], dtype = "f32") => ({ shape, dtype }),
    write: () => {},
    dispatch: (dispatch: Dispatch) => dispatches.push(dispatch),
    scope: (record: () => GpuTensor) => record(),
    release: () => {},
    read: async ({ shape }: GpuTensor) => new Float32Array(elementCount(shape)),
    flush: async () => {},
  };
  const backend = webgpuBackend(gpu as unknown as Gpu);
  const loaded = await loadWeights(backend, config, randomModelTensors(config), convert);
  const features = { rows, data: new Float32Array(rows * config.encoder.inputSize) };
  dispatches.length = 0;
  await new SenseVoice(backend, config.encoder, loaded).recognize([{ language: "auto", itn: false, features }]);
  return dispatches;
}
