import type { ModelConfig } from "../../src/model/sensevoice/config.ts";
import { modelParameters } from "../../src/model/sensevoice/parameters.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import type { Weight } from "../../src/tensor/quantized.ts";
import { type RandomScheme, randomQuantized } from "./quantized.ts";
import { randomizer } from "./random.ts";

/** A model of three layers with sizes that are no multiples of 32 where they can help it. */
export const TOY: Omit<ModelConfig, "quantization" | "files"> = {
  format: "sensevoice",
  formatVersion: 2,
  name: "toy",
  weights: "mixed",
  encoder: {
    inputSize: 56,
    outputSize: 32,
    attentionHeads: 2,
    linearUnits: 64,
    numBlocks: 2,
    tpBlocks: 1,
    kernelSize: 3,
  },
  frontend: { sampleRate: 16000, mels: 8, frameLengthMs: 25, frameShiftMs: 10, lfrM: 7, lfrN: 6 },
  vocabSize: 31,
};

/** Random tensors of the toy model; the linear weights take their schemes in turn, undefined is f16. */
export function toyTensors(schemes: readonly (RandomScheme | undefined)[]): Map<string, Weight> {
  const random = randomizer(1);
  let next = 0;
  return new Map(
    modelParameters(TOY).map(({ name, shape, kind }, i): [string, Weight] => {
      const scheme = schemes[next % schemes.length];
      if (kind !== "linear") return [name, random([...shape], 0.5)];
      next++;
      if (scheme) return [name, randomQuantized(i, [shape[0], shape[1]], scheme)];
      const half: HostTensor = {
        dtype: "f16",
        shape,
        data: new Uint16Array(shape[0] * shape[1]).fill(0x2e66),
      };
      return [name, half];
    }),
  );
}
