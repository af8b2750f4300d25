import { writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { type ModelConfig, parseModelConfig } from "../model/sensevoice/config.ts";
import { configText } from "../model/sensevoice/configFile.ts";
import { checkpointParameters, modelParameters } from "../model/sensevoice/parameters.ts";
import { f32ToF16 } from "../tensor/f16.ts";
import type { HostTensor } from "../tensor/host.ts";
import { digestBytes, sha256 } from "../weights/file.ts";
import { expectParameters } from "../weights/parameters.ts";
import { expectReplaceable, replaceFolder } from "../weights/replaceFolder.ts";
import { byteLength, type TensorSpec } from "../weights/safetensors.ts";
import { writeSafetensors } from "../weights/safetensorsFile.ts";
import type { FileDigest, Progress } from "../weights/source.ts";
import { TOKENIZER_FILE, WEIGHTS_FILE } from "../weights/source.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import type { Cmvn } from "./cmvn.ts";
import { readFunasrFolder } from "./funasrFolder.ts";

export interface ConvertOptions {
  /** Element type of the matrices. All else (norms, biases, FSMN taps, CMVN: 1 % of the model) stays f32. */
  readonly dtype: "f32" | "f16";
  /** What the model calls itself; the source folder's name unless given. */
  readonly name?: string;
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Converts a ModelScope/FunASR folder of SenseVoiceSmall into a model folder: `model.safetensors` under
 * PyTorch's parameter names, `config.json` (ModelConfig), `tokenizer.model`. Memory: two tensors at a time.
 *
 * `target` appears whole or not at all: it is written under another name beside and renamed. A target that
 * exists must be a model folder; its files are replaced, others in it are kept. Throws a SenseVoiceError
 * that names the file or the parameter when the source is not what config.yaml promises, is damaged, or
 * has a number that f16 cannot hold.
 */
export async function convertModel(source: string, target: string, options: ConvertOptions): Promise<void> {
  await expectReplaceable(target);
  const folder = await readFunasrFolder(source);
  const checkpoint = await openCheckpoint(folder.checkpoint);
  try {
    const vocabSize = checkpoint.tensors.get("ctc.ctc_lo.weight")?.shape[0] ?? 0;
    if (folder.tokenCount !== undefined && folder.tokenCount !== vocabSize) {
      throw new SenseVoiceError(
        `[weights] tokens.json: expected ${vocabSize} tokens as in ctc.ctc_lo.weight, got ${folder.tokenCount}`,
      );
    }
    const none = { bytes: 0, sha256: "0".repeat(64) };
    const config = parseModelConfig({
      format: "sensevoice",
      formatVersion: 2,
      name: options.name ?? basename(resolve(source)),
      weights: options.dtype,
      encoder: folder.encoder,
      frontend: folder.frontend,
      vocabSize,
      files: { [WEIGHTS_FILE]: none, [TOKENIZER_FILE]: none },
    });
    expectParameters("model.pt", checkpoint.tensors, checkpointParameters(config.encoder, vocabSize));

    await replaceFolder(target, async (dir) => {
      const path = join(dir, WEIGHTS_FILE);
      const weights = await writeWeights(path, config, checkpoint, folder.cmvn, options.onProgress);
      await writeFile(join(dir, TOKENIZER_FILE), folder.tokenizer);
      const files = { [WEIGHTS_FILE]: weights, [TOKENIZER_FILE]: digestBytes(folder.tokenizer) };
      await writeFile(join(dir, "config.json"), configText({ ...config, files }, sha256));
    });
  } finally {
    await checkpoint.close();
  }
}

function writeWeights(
  path: string,
  config: ModelConfig,
  checkpoint: Checkpoint,
  cmvn: Cmvn,
  onProgress: ConvertOptions["onProgress"],
): Promise<FileDigest> {
  const specs = modelParameters(config).map(({ name, shape, kind }): TensorSpec => {
    return { name, shape, dtype: kind !== "other" && config.weights === "f16" ? "f16" : "f32" };
  });
  const total = specs.reduce((sum, { dtype, shape }) => sum + byteLength(dtype, shape), 0);
  let done = 0;
  return writeSafetensors(path, specs, async ({ name, dtype, shape }) => {
    const values =
      name === "frontend.cmvn.shift"
        ? cmvn.shift
        : name === "frontend.cmvn.scale"
          ? cmvn.scale
          : ((await checkpoint.read(name)).data as Float32Array);
    const tensor = encode(name, values, dtype === "f16", shape);
    done += byteLength(dtype, shape);
    onProgress?.({ task: WEIGHTS_FILE, done, total });
    return tensor;
  });
}

function encode(name: string, values: Float32Array, half: boolean, shape: readonly number[]): HostTensor {
  // Rounded to f16, 65520 and above are infinite.
  const limit = half ? 65520 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i]) < limit) continue;
    const advice = Number.isFinite(values[i]) ? ", beyond f16's 65504: convert to f32 instead" : "";
    throw new SenseVoiceError(`[weights] ${name}: element ${i} is ${values[i]}${advice}`);
  }
  return half ? { dtype: "f16", shape, data: f32ToF16(values) } : { dtype: "f32", shape, data: values };
}
