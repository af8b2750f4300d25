import { open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { type ModelConfig, parseModelConfig } from "../model/sensevoice/config.ts";
import { configText } from "../model/sensevoice/configFile.ts";
import { modelParameters } from "../model/sensevoice/parameters.ts";
import type { HostTensor } from "../tensor/host.ts";
import type { QuantizedTensor, Weight } from "../tensor/quantized.ts";
import { digestBytes, readExactly, sha256 } from "../weights/file.ts";
import { expectParameters } from "../weights/parameters.ts";
import { type Quantization, storedParts } from "../weights/quantizedParts.ts";
import { replaceFolder } from "../weights/replaceFolder.ts";
import { byteLength, type TensorSpec, tensorFromBytes } from "../weights/safetensors.ts";
import { writeSafetensors } from "../weights/safetensorsFile.ts";
import { TOKENIZER_FILE, WEIGHTS_FILE } from "../weights/source.ts";

/**
 * Writes a model folder of tensors that come one at a time, in floats or in few bits, in any order. The folder appears
 * whole or not at all; an older model folder at `dir` is replaced.
 *
 * @param config `quantization` and `files` are filled in here
 * @throws SenseVoiceError if the tensors are not the model's, or f16 does not hold a scale or table entry to the bit
 */
export async function writeModelFolder(
  dir: string,
  config: Omit<ModelConfig, "quantization" | "files">,
  tokenizer: Uint8Array,
  tensors: AsyncIterable<[name: string, tensor: Weight]> | Iterable<[name: string, tensor: Weight]>,
): Promise<void> {
  await replaceFolder(dir, async (folder) => {
    const shapes = new Map<string, Pick<Weight, "shape">>();
    const quantization: Record<string, Quantization> = {};
    const spool = await openSpool(join(folder, "spool"));
    try {
      for await (const [name, weight] of tensors) {
        if (shapes.has(name)) throw new SenseVoiceError(`[weights] ${name}: came twice`);
        shapes.set(name, weight);
        if (weight.dtype !== "quantized") {
          await spool.add(name, weight);
          continue;
        }
        quantization[name] = describe(weight);
        for (const [entry, part] of storedParts(name, weight)) await spool.add(entry, part);
      }
      expectParameters(dir, shapes, modelParameters(config));
      const weights = await writeSafetensors(join(folder, WEIGHTS_FILE), spool.specs, spool.read);
      const files = { [WEIGHTS_FILE]: weights, [TOKENIZER_FILE]: digestBytes(tokenizer) };
      const few = Object.keys(quantization).length > 0 && { quantization };
      const whole = parseModelConfig({ ...config, ...few, files });
      await writeFile(join(folder, TOKENIZER_FILE), tokenizer);
      await writeFile(join(folder, "config.json"), configText(whole, sha256));
    } finally {
      await spool.close();
    }
  });
}

function describe({ bits, groupSize, activation }: QuantizedTensor): Quantization {
  return activation === undefined ? { bits, groupSize } : { bits, groupSize, activation };
}

/** Tensors put aside in a file, since a safetensors file begins with the sizes of all. It is gone once closed. */
async function openSpool(path: string) {
  const file = await open(path, "wx+");
  const specs: TensorSpec[] = [];
  const positions = new Map<string, number>();
  let end = 0;
  return {
    specs,
    async add(name: string, { dtype, shape, data }: HostTensor): Promise<void> {
      specs.push({ name, dtype, shape });
      positions.set(name, end);
      end += data.byteLength;
      await file.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    },
    async read(spec: TensorSpec): Promise<HostTensor> {
      const bytes = new Uint8Array(byteLength(spec.dtype, spec.shape));
      await readExactly(file, path, bytes, positions.get(spec.name) ?? 0);
      return tensorFromBytes(spec, bytes);
    },
    async close(): Promise<void> {
      await file.close();
      await rm(path);
    },
  };
}
