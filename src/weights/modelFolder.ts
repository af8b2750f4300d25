import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { type ModelConfig, TOKENIZER_FILE, WEIGHTS_FILE } from "../model/sensevoice/config.ts";
import { expectParameters, modelParameters } from "../model/sensevoice/parameters.ts";
import { createPause } from "../pause.ts";
import type { Weight } from "../tensor/quantized.ts";
import { readConfig } from "./configFile.ts";
import { expectWeights } from "./expectWeights.ts";
import { digestBytes, expectDigest, fileError, readJsonFile, readSmallFile } from "./file.ts";
import { createAssembler, storedParameters } from "./quantizedParts.ts";
import { openSafetensors } from "./safetensorsFile.ts";

/** A converted model on disk. */
export interface ModelFolder {
  readonly dir: string;
  readonly config: ModelConfig;
  /** The SentencePiece model, its SHA-256 checked. */
  readonly tokenizer: Uint8Array;
  /**
   * All tensors in the order of the file, one in memory at a time; each belongs to the caller. A weight in few
   * bits comes put together from its parts, and all numbers are finite. The file's SHA-256 is computed on the way and
   * compared before the last tensor is handed over, so whoever takes all of them has a whole, unchanged file; a damaged
   * one ends in a SenseVoiceError.
   */
  tensors(): AsyncGenerator<[name: string, tensor: Weight]>;
}

/** Opens what `convertModel` or `writeModelFolder` wrote. Throws a SenseVoiceError that says what the folder lacks and what to do. */
export async function openModelFolder(dir: string): Promise<ModelFolder> {
  const json = await readJsonFile(join(dir, "config.json"));
  if (json === undefined) throw new SenseVoiceError(`[weights] ${dir}: ${whyNoConfig(dir)}`);
  const config = await readConfig(json);
  const tokenizerPath = join(dir, TOKENIZER_FILE);
  const tokenizer = await readSmallFile(tokenizerPath, config.files[TOKENIZER_FILE].bytes);
  expectDigest(tokenizerPath, digestBytes(tokenizer), config.files[TOKENIZER_FILE]);
  const weightsPath = join(dir, WEIGHTS_FILE);
  const expected = config.files[WEIGHTS_FILE];
  const { size } = await stat(weightsPath).catch((error: unknown) => {
    throw fileError(weightsPath, error);
  });
  // The sum takes a read of the whole file; the size is known at once.
  expectDigest(weightsPath, { ...expected, bytes: size }, expected);
  return { dir, config, tokenizer, tensors: () => readTensors(weightsPath, config) };
}

/** Bytes to hash at a time. */
const HASHED = 2 ** 18;

async function* readTensors(path: string, config: ModelConfig): AsyncGenerator<[string, Weight]> {
  const file = await openSafetensors(path);
  try {
    const { quantization = {} } = config;
    const parameters = modelParameters(config);
    expectParameters(WEIGHTS_FILE, file.tensors, storedParameters(parameters, quantization, file.tensors));
    const pause = createPause();
    const assemble = createAssembler(parameters, quantization, file.tensors);
    const hash = createHash("sha256").update(file.head);
    let bytes = file.head.length;
    for (const [index, name] of file.names.entries()) {
      const tensor = await file.read(name);
      const { buffer, byteOffset, byteLength } = tensor.data;
      for (let at = 0; at < byteLength; at += HASHED) {
        hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(HASHED, byteLength - at)));
        await pause();
      }
      bytes += byteLength;
      if (index === file.names.length - 1) {
        expectDigest(path, { bytes, sha256: hash.digest("hex") }, config.files[WEIGHTS_FILE]);
      }
      await expectWeights(name, tensor, pause);
      const whole = assemble(name, tensor);
      if (whole) yield whole;
    }
  } finally {
    await file.close();
  }
}

function whyNoConfig(dir: string): string {
  if (!existsSync(dir)) return "there is no such folder";
  if (existsSync(join(dir, "config.yaml")) || existsSync(join(dir, "model.pt"))) {
    return `this is a FunASR folder; convert it first: sensevoice convert ${dir} OUT`;
  }
  return "expected a model folder, got one without config.json";
}
