import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { f32ToF16 } from "../tensor/f16.ts";
import type { HostTensor } from "../tensor/host.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import type { Cmvn } from "./cmvn.ts";
import { type ModelConfig, parseModelConfig, TOKENIZER_FILE, WEIGHTS_FILE } from "./config.ts";
import { digestBytes, type FileDigest, fileError, isMissing, readJsonFile } from "./file.ts";
import { readFunasrFolder } from "./funasrFolder.ts";
import { checkpointParameters, expectParameters, modelParameters } from "./parameters.ts";
import { byteLength, type TensorSpec } from "./safetensors.ts";
import { writeSafetensors } from "./safetensorsFile.ts";

/** How far a long job is, in bytes. `task` is what it works on: "model.pt" while that is fetched, … */
export interface Progress {
  readonly task: string;
  readonly done: number;
  readonly total: number;
}

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
  const destination = resolve(target);
  await expectReplaceable(destination);
  const folder = await readFunasrFolder(source);
  const checkpoint = await openCheckpoint(folder.checkpoint);
  let temporary: string | undefined;
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
      formatVersion: 1,
      name: options.name ?? basename(resolve(source)),
      weights: options.dtype,
      encoder: folder.encoder,
      frontend: folder.frontend,
      vocabSize,
      files: { [WEIGHTS_FILE]: none, [TOKENIZER_FILE]: none },
    });
    expectParameters("model.pt", checkpoint.tensors, checkpointParameters(config.encoder, vocabSize));

    temporary = join(dirname(destination), `.${basename(destination)}-${randomUUID()}`);
    await mkdir(temporary, { recursive: true });
    const weights = await writeWeights(
      join(temporary, WEIGHTS_FILE),
      config,
      checkpoint,
      folder.cmvn,
      options.onProgress,
    );
    await writeFile(join(temporary, TOKENIZER_FILE), folder.tokenizer);
    const files = { [WEIGHTS_FILE]: weights, [TOKENIZER_FILE]: digestBytes(folder.tokenizer) };
    await writeFile(join(temporary, "config.json"), `${JSON.stringify({ ...config, files }, null, 2)}\n`);
    await replaceFolder(temporary, destination);
  } catch (error) {
    if (temporary) await rm(temporary, { recursive: true, force: true });
    throw fileError(target, error);
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
  const specs = modelParameters(config).map(({ name, shape, matrix }): TensorSpec => {
    return { name, shape, dtype: matrix && config.weights === "f16" ? "f16" : "f32" };
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

/** A conversion may replace an older one, and nothing else. */
async function expectReplaceable(target: string): Promise<void> {
  const config = await readJsonFile(join(target, "config.json"));
  if (config === undefined && !existsSync(target)) return;
  const format = typeof config === "object" && config && "format" in config ? config.format : undefined;
  if (format !== "sensevoice") {
    throw new SenseVoiceError(`[weights] ${target}: exists and is not a model folder; nothing was changed`);
  }
}

/** Puts `folder` where `target` is. Another process may be doing the same: the last one stays, whole. */
async function replaceFolder(folder: string, target: string): Promise<void> {
  const old = `${folder}.old`;
  for (let attempt = 1; ; attempt++) {
    const replaced = await renameIfThere(target, old);
    if (replaced) await keepOtherFiles(old, folder);
    try {
      await rename(folder, target);
      await rm(old, { recursive: true, force: true });
      return;
    } catch (error) {
      if (replaced && !(await renameIfThere(old, target))) await rm(old, { recursive: true, force: true });
      if (attempt === 10) throw error;
    }
  }
}

/** Renames a folder; false when it is not there or when there is another in the new place. */
async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isMissing(error) || existsSync(to)) return false;
    throw error;
  }
}

async function keepOtherFiles(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    await cp(join(from, name), join(to, name), { recursive: true, force: false });
  }
}
