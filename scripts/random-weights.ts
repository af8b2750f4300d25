/** A model folder of seeded random numbers: `tsx scripts/random-weights.ts OUT --tokenizer FILE`. */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { SenseVoiceError } from "../src/error.ts";
import type { DetectorOptions, VadConfig, VadEncoderConfig } from "../src/model/fsmnVad/config.ts";
import { vadParameters } from "../src/model/fsmnVad/parameters.ts";
import type { ModelConfig } from "../src/model/sensevoice/config.ts";
import { configText } from "../src/model/sensevoice/configFile.ts";
import { modelParameters } from "../src/model/sensevoice/parameters.ts";
import { f32ToF16 } from "../src/tensor/f16.ts";
import { elementCount, type HostTensor } from "../src/tensor/host.ts";
import { digestBytes, readSmallFile, sha256 } from "../src/weights/file.ts";
import type { TensorSpec } from "../src/weights/safetensors.ts";
import { writeSafetensors } from "../src/weights/safetensorsFile.ts";
import { TOKENIZER_FILE, WEIGHTS_FILE } from "../src/weights/source.ts";

export type RandomTensor = HostTensor & { readonly data: Float32Array<ArrayBuffer> };

/** Seed of the committed golden of the full architecture (test/golden/random-small.json). */
export const SEED = 12;

/** FNV-1a of a name; names are ASCII. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Chris Wellons' 32-bit integer hash: https://nullprogram.com/blog/2018/07/31/ */
function lowbias32(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

/**
 * Seeded random f32 numbers, uniform in [offset − scale, offset + scale). Element i depends on (seed, name, i)
 * alone: the upper 24 bits of lowbias32(lowbias32(i) ^ FNV-1a(name) ^ seed), taken as a number in [−1, 1),
 * times scale, plus offset, each step rounded to f32. scripts/random_weights.py makes the same numbers bit
 * for bit; that is how FunASR can be asked what a model of them should answer.
 */
export function randomTensor(
  name: string,
  shape: readonly number[],
  { scale = 1, offset = 0, seed = SEED }: { scale?: number; offset?: number; seed?: number } = {},
): RandomTensor {
  const data = new Float32Array(elementCount(shape));
  const key = fnv1a(name) ^ seed;
  const factor = Math.fround(scale);
  const base = Math.fround(offset);
  for (let i = 0; i < data.length; i++) {
    const top24 = lowbias32(lowbias32(i) ^ key) >>> 8;
    data[i] = Math.fround((top24 - 0x800000) * 2 ** -23 * factor) + base;
  }
  return { dtype: "f32", shape, data };
}

const HEADS = ["ctc.ctc_lo.weight", "encoder.out_linear2.linear.weight"];

/**
 * Range of a parameter. Matrices and FSMN taps keep the variance of what they multiply (scale √(3 / inputs)),
 * so the residual grows like the square root of the depth; the heads are four times that, for logits spread
 * like a trained model's. CMVN is about that of speech: log mel energies around 8 with a deviation of 4.
 */
function range(name: string, shape: readonly number[]): { scale: number; offset?: number } {
  if (name === "frontend.cmvn.shift") return { scale: 1, offset: -8 };
  if (name === "frontend.cmvn.scale") return { scale: 0.02, offset: 0.25 };
  if (name === "embed.weight") return { scale: Math.sqrt(3) };
  if (name.endsWith(".bias")) return { scale: 0.1 };
  if (/norm\d?\.weight$/.test(name)) return { scale: 0.1, offset: 1 };
  const gain = HEADS.includes(name) ? 4 : 1;
  return { scale: gain * Math.sqrt(3 / shape[shape.length - 1]) };
}

/** Every tensor of a model folder, one in memory at a time, under FunASR's names (FSMN taps as [D, taps]). */
export function* randomModelTensors(config: ModelConfig, seed = SEED): Generator<[name: string, tensor: RandomTensor]> {
  for (const { name, shape } of modelParameters(config)) {
    yield [name, randomTensor(name, shape, { ...range(name, shape), seed })];
  }
}

/** The same of a voice activity model. */
export function* randomVadTensors(
  encoder: VadEncoderConfig,
  seed = SEED,
): Generator<[name: string, tensor: RandomTensor]> {
  for (const { name, shape } of vadParameters(encoder)) {
    yield [name, randomTensor(name, shape, { ...range(name, shape), seed })];
  }
}

/** Feature rows of variance 1, as they are after CMVN: [rows, inputSize]. */
export function randomFeatures(rows: number, inputSize: number, seed = SEED): RandomTensor {
  return randomTensor("features", [rows, inputSize], { scale: Math.sqrt(3), seed });
}

/** The architecture of SenseVoiceSmall (234 M parameters) or of the tiny checkpoint (6.8 M), with no files. */
export function randomModelConfig(size: "small" | "tiny"): ModelConfig {
  const sizes =
    size === "small"
      ? { outputSize: 512, attentionHeads: 4, linearUnits: 2048, numBlocks: 50, tpBlocks: 20 }
      : { outputSize: 256, attentionHeads: 2, linearUnits: 1024, numBlocks: 6, tpBlocks: 2 };
  return {
    format: "sensevoice",
    formatVersion: 2,
    name: `random-${size}`,
    weights: "f32",
    encoder: { inputSize: 560, ...sizes, kernelSize: 11 },
    frontend: { sampleRate: 16000, mels: 80, frameLengthMs: 25, frameShiftMs: 10, lfrM: 7, lfrN: 6 },
    vocabSize: size === "small" ? 25055 : 995,
    files: {},
  };
}

/** The architecture of FSMN-VAD (0.43 M parameters), with no files. */
export function randomVadConfig(detector: DetectorOptions): VadConfig {
  return {
    format: "sensevoice-vad",
    formatVersion: 1,
    name: "random-vad",
    encoder: {
      ...{ inputSize: 400, inputAffineSize: 140, layers: 4, linearSize: 250, projectionSize: 128, taps: 20 },
      ...{ outputAffineSize: 140, outputSize: 248 },
    },
    frontend: { sampleRate: 16000, mels: 80, frameLengthMs: 25, frameShiftMs: 10, lfrM: 5, lfrN: 1 },
    detector,
    files: {},
  };
}

/** Writes a model folder; matrices in f16 or f32, all else in f32. It must not hold weights yet. */
export async function writeRandomModel(
  dir: string,
  { config: size, dtype, tokenizer }: { config: "small" | "tiny"; dtype: "f16" | "f32"; tokenizer: string },
): Promise<void> {
  const config = { ...randomModelConfig(size), weights: dtype };
  const pieces = await readSmallFile(tokenizer, 2 ** 24);
  await mkdir(dir, { recursive: true });
  const specs = modelParameters(config).map(
    ({ name, shape, kind }): TensorSpec => ({ name, shape, dtype: kind === "other" ? "f32" : dtype }),
  );
  const weights = await writeSafetensors(join(dir, WEIGHTS_FILE), specs, async (spec) => {
    const { data, ...tensor } = randomTensor(spec.name, spec.shape, range(spec.name, spec.shape));
    return spec.dtype === "f16" ? { ...tensor, dtype: "f16", data: f32ToF16(data) } : { ...tensor, data };
  });
  await writeFile(join(dir, TOKENIZER_FILE), pieces);
  const files = { [WEIGHTS_FILE]: weights, [TOKENIZER_FILE]: digestBytes(pieces) };
  await writeFile(join(dir, "config.json"), configText({ ...config, files }, sha256));
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const program = new Command("random-weights")
    .description("Write a model folder of seeded random numbers, for tests of size, speed and numerics.")
    .argument("<out>", "model folder to write")
    .requiredOption("--tokenizer <file>", "SentencePiece model to put into it")
    .addOption(new Option("--config <size>", "architecture").choices(["small", "tiny"]).default("small"))
    .addOption(new Option("--dtype <type>", "element type of the matrices").choices(["f16", "f32"]).default("f16"))
    .parse();
  try {
    await writeRandomModel(program.args[0], program.opts());
  } catch (error) {
    if (!(error instanceof SenseVoiceError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
