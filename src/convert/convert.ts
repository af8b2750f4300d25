import { writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { parseSpeakerConfig, SPEAKER_FORMAT } from "../model/campplus/config.ts";
import { campplusParameters } from "../model/campplus/parameters.ts";
import { parseVadConfig, VAD_FORMAT } from "../model/fsmnVad/config.ts";
import { vadCheckpointParameters, vadParameters } from "../model/fsmnVad/parameters.ts";
import { parseModelConfig } from "../model/sensevoice/config.ts";
import { configText } from "../model/sensevoice/configFile.ts";
import { checkpointParameters, modelParameters } from "../model/sensevoice/parameters.ts";
import { f32ToF16 } from "../tensor/f16.ts";
import type { HostTensor } from "../tensor/host.ts";
import { digestBytes, sha256 } from "../weights/file.ts";
import { expectParameters, type Parameter } from "../weights/parameters.ts";
import { expectReplaceable, type ModelFormat, replaceFolder } from "../weights/replaceFolder.ts";
import { byteLength, type TensorSpec } from "../weights/safetensors.ts";
import { writeSafetensors } from "../weights/safetensorsFile.ts";
import type { FileDigest, Progress } from "../weights/source.ts";
import { TOKENIZER_FILE, WEIGHTS_FILE } from "../weights/source.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import type { Cmvn } from "./cmvn.ts";
import { type FunasrConfig, readFunasrConfig } from "./funasrConfig.ts";
import { readFunasrFolder } from "./funasrFolder.ts";
import { readSpeakerFolder, SPEAKER_MODEL } from "./speakerFolder.ts";
import { readVadFolder, VAD_MODEL } from "./vadFolder.ts";

export interface ConvertOptions {
  /** Element type of the matrices. All else (norms, biases, FSMN taps, CMVN: 1 % of the model) stays f32. */
  readonly dtype: "f32" | "f16";
  /** What the model calls itself; the source folder's name unless given. */
  readonly name?: string;
  readonly onProgress?: (progress: Progress) => void;
}

/** What becomes of a FunASR folder. */
interface Conversion {
  readonly checkpoint: string;
  readonly cmvn?: Cmvn;
  readonly format: ModelFormat;
  /** Small files that are copied as they are. */
  readonly copies: Readonly<Record<string, Uint8Array>>;
  /** What the checkpoint must hold, what the model folder will, and its configuration. */
  readonly plan: (checkpoint: Checkpoint["tensors"]) => {
    readonly parameters: readonly Parameter[];
    readonly specs: readonly TensorSpec[];
    readonly config: object;
  };
}

/**
 * Converts a ModelScope/FunASR folder of SenseVoiceSmall into a model folder: `model.safetensors` under
 * PyTorch's parameter names, `config.json` (ModelConfig), `tokenizer.model`. A folder of FSMN-VAD or CAM++ becomes one in
 * f32, with VadConfig or SpeakerConfig and no tokenizer. Memory: two tensors at a time.
 *
 * `target` appears whole or not at all: it is written under another name beside and renamed. A target that
 * exists must be a model folder of the same kind; its files are replaced, others in it are kept. Throws a
 * SenseVoiceError that names the file or the parameter when the source is not what config.yaml promises, is damaged, or
 * has a number that f16 cannot hold.
 */
export async function convertModel(source: string, target: string, options: ConvertOptions): Promise<void> {
  const funasr = await readFunasrConfig(source);
  const name = options.name ?? basename(resolve(source));
  const { value: model } = funasr.at("model");
  const read = model === VAD_MODEL ? ofVad : model === SPEAKER_MODEL ? ofSpeaker : ofSenseVoice;
  const conversion = await read(funasr, name, options.dtype);
  await expectReplaceable(target, conversion.format);
  const { format, cmvn, copies, plan } = conversion;
  const checkpoint = await openCheckpoint(conversion.checkpoint);
  try {
    // Batch norms count the steps of their training.
    const tensors = new Map([...checkpoint.tensors].filter(([name]) => !name.endsWith(".num_batches_tracked")));
    const { parameters, specs, config } = plan(tensors);
    expectParameters(basename(conversion.checkpoint), tensors, parameters);
    const write = async (dir: string) => {
      const weights = await writeWeights(join(dir, WEIGHTS_FILE), specs, checkpoint, cmvn, options.onProgress);
      const files: Record<string, FileDigest> = { [WEIGHTS_FILE]: weights };
      for (const [file, bytes] of Object.entries(copies)) {
        await writeFile(join(dir, file), bytes);
        files[file] = digestBytes(bytes);
      }
      await writeFile(join(dir, "config.json"), configText({ ...config, files }, sha256));
    };
    await replaceFolder(target, write, format);
  } finally {
    await checkpoint.close();
  }
}

const NONE = { bytes: 0, sha256: "0".repeat(64) };

async function ofSenseVoice(funasr: FunasrConfig, name: string, dtype: "f32" | "f16"): Promise<Conversion> {
  const folder = await readFunasrFolder(funasr);
  const { checkpoint, cmvn, encoder, frontend, tokenizer, tokenCount } = folder;
  const plan: Conversion["plan"] = (tensors) => {
    const vocabSize = tensors.get("ctc.ctc_lo.weight")?.shape[0] ?? 0;
    if (tokenCount !== undefined && tokenCount !== vocabSize) {
      throw new SenseVoiceError(
        `[weights] tokens.json: expected ${vocabSize} tokens as in ctc.ctc_lo.weight, got ${tokenCount}`,
      );
    }
    const head = { format: "sensevoice", formatVersion: 2, name, weights: dtype, encoder, frontend, vocabSize };
    const config = parseModelConfig({ ...head, files: { [WEIGHTS_FILE]: NONE, [TOKENIZER_FILE]: NONE } });
    const specs = modelParameters(config).map(({ name, shape, kind }): TensorSpec => {
      return { name, shape, dtype: kind !== "other" && dtype === "f16" ? "f16" : "f32" };
    });
    return { parameters: checkpointParameters(encoder, vocabSize), specs, config };
  };
  return { checkpoint, cmvn, format: "sensevoice", copies: { [TOKENIZER_FILE]: tokenizer }, plan };
}

async function ofVad(funasr: FunasrConfig, name: string): Promise<Conversion> {
  const { checkpoint, cmvn, ...sizes } = await readVadFolder(funasr);
  const head = { format: VAD_FORMAT, formatVersion: 1, name, ...sizes };
  const config = parseVadConfig({ ...head, files: { [WEIGHTS_FILE]: NONE } });
  const specs = vadParameters(sizes.encoder).map(({ name, shape }): TensorSpec => ({ name, shape, dtype: "f32" }));
  const parameters = vadCheckpointParameters(sizes.encoder);
  return { checkpoint, cmvn, format: VAD_FORMAT, copies: {}, plan: () => ({ parameters, specs, config }) };
}

async function ofSpeaker(funasr: FunasrConfig, name: string): Promise<Conversion> {
  const { checkpoint, ...sizes } = readSpeakerFolder(funasr);
  const head = { format: SPEAKER_FORMAT, formatVersion: 1, name, ...sizes };
  const config = parseSpeakerConfig({ ...head, files: { [WEIGHTS_FILE]: NONE } });
  const parameters = campplusParameters(sizes);
  const specs = parameters.map(({ name, shape }): TensorSpec => ({ name, shape, dtype: "f32" }));
  return { checkpoint, format: SPEAKER_FORMAT, copies: {}, plan: () => ({ parameters, specs, config }) };
}

function writeWeights(
  path: string,
  specs: readonly TensorSpec[],
  checkpoint: Checkpoint,
  cmvn: Cmvn | undefined,
  onProgress: ConvertOptions["onProgress"],
): Promise<FileDigest> {
  const total = specs.reduce((sum, { dtype, shape }) => sum + byteLength(dtype, shape), 0);
  let done = 0;
  return writeSafetensors(path, specs, async ({ name, dtype, shape }) => {
    const [, part] = /^frontend\.cmvn\.(shift|scale)$/.exec(name) ?? [];
    const values = cmvn && part ? cmvn[part as keyof Cmvn] : ((await checkpoint.read(name)).data as Float32Array);
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
