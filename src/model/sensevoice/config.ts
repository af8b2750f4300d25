import { SenseVoiceError } from "../../error.ts";
import type { Quantization } from "../../weights/quantizedParts.ts";

/** Sizes of the SANM encoder, under the names that the FunASR configuration gives them. */
export interface EncoderConfig {
  /** Width of a feature row: mels × lfrM (560). */
  readonly inputSize: number;
  /** Width D of the residual stream (512). */
  readonly outputSize: number;
  readonly attentionHeads: number;
  /** Hidden width of the feed-forward (2048). */
  readonly linearUnits: number;
  /** Layers before `after_norm`: layer 0 (encoders0) and the rest (50). */
  readonly numBlocks: number;
  /** Layers after it (20). */
  readonly tpBlocks: number;
  /** Taps of the FSMN memory, odd (11). */
  readonly kernelSize: number;
}

/** What turns sound into feature rows; lengths in milliseconds, as Kaldi writes them. */
export interface FrontendConfig {
  readonly sampleRate: number;
  readonly mels: number;
  readonly frameLengthMs: number;
  readonly frameShiftMs: number;
  /** Low frame rate: rows of lfrM frames, one every lfrN frames. */
  readonly lfrM: number;
  readonly lfrN: number;
}

/** `config.json` of a model folder. */
export interface ModelConfig {
  readonly format: "sensevoice";
  readonly formatVersion: 1;
  /** What the model calls itself: the name of the folder it was converted from, or `--name`. */
  readonly name: string;
  /** How the linear weights are stored, for people: "f16", "int4", … */
  readonly weights: string;
  /** The linear weights in few bits, by name; the others are floats. */
  readonly quantization?: Readonly<Record<string, Quantization>>;
  /** What chose their schemes, kept as it was given. */
  readonly policy?: unknown;
  readonly encoder: EncoderConfig;
  readonly frontend: FrontendConfig;
  /** Tokens the CTC head chooses from; 0 is the blank. */
  readonly vocabSize: number;
  /** The folder's other files, each with its size in bytes and its SHA-256 in hexadecimal. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

/** The files of a model folder, beside `config.json`. */
export const WEIGHTS_FILE = "model.safetensors";
export const TOKENIZER_FILE = "tokenizer.model";

/**
 * Checks what `config.json` held. Throws a SenseVoiceError naming the first field that is not as
 * ModelConfig describes it, sizes that do not fit together included. Fields not known are ignored.
 */
export function parseModelConfig(json: unknown): ModelConfig {
  const root = object(json, "config.json");
  if (root.format !== "sensevoice") fail("format", '"sensevoice"', root.format);
  if (root.formatVersion !== 1) {
    fail("formatVersion", "1 (a newer folder needs a newer sensevoice)", root.formatVersion);
  }
  const encoder = expectEncoder(object(root.encoder, "encoder"));
  const frontend = expectFrontend(object(root.frontend, "frontend"));
  if (encoder.inputSize !== frontend.mels * frontend.lfrM) {
    fail("encoder.inputSize", `mels × lfrM = ${frontend.mels * frontend.lfrM}`, encoder.inputSize);
  }
  const files: Record<string, { bytes: number; sha256: string }> = {};
  for (const [name, value] of Object.entries(object(root.files, "files"))) {
    const { bytes, sha256 } = object(value, `files.${name}`);
    if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) {
      fail(`files.${name}.sha256`, "64 hexadecimal digits", sha256);
    }
    files[name] = { bytes: integer(bytes, `files.${name}.bytes`, 0, Number.MAX_SAFE_INTEGER), sha256 };
  }
  for (const name of [WEIGHTS_FILE, TOKENIZER_FILE]) object(files[name], `files["${name}"]`);
  return {
    format: "sensevoice",
    formatVersion: 1,
    name: string(root.name, "name"),
    weights: string(root.weights, "weights"),
    ...(root.quantization !== undefined && { quantization: expectQuantization(root.quantization) }),
    ...(root.policy !== undefined && { policy: root.policy }),
    encoder,
    frontend,
    vocabSize: integer(root.vocabSize, "vocabSize", 2, 2 ** 20),
    files,
  };
}

// The limits are far above any SenseVoice; they keep a damaged number from asking for all memory.
function expectEncoder(value: Record<string, unknown>): EncoderConfig {
  const at = (key: string, min: number, max: number) => integer(value[key], `encoder.${key}`, min, max);
  const encoder = {
    inputSize: at("inputSize", 4, 2 ** 16),
    outputSize: at("outputSize", 1, 2 ** 16),
    attentionHeads: at("attentionHeads", 1, 2 ** 10),
    linearUnits: at("linearUnits", 1, 2 ** 18),
    numBlocks: at("numBlocks", 1, 2 ** 10),
    tpBlocks: at("tpBlocks", 0, 2 ** 10),
    kernelSize: at("kernelSize", 1, 2 ** 10 - 1),
  };
  const { inputSize, outputSize, attentionHeads, kernelSize } = encoder;
  if (inputSize % 2) fail("encoder.inputSize", "an even number", inputSize);
  if (outputSize % attentionHeads) fail("encoder.outputSize", `a multiple of ${attentionHeads}`, outputSize);
  if (kernelSize % 2 === 0) fail("encoder.kernelSize", "an odd number", kernelSize);
  return encoder;
}

function expectFrontend(value: Record<string, unknown>): FrontendConfig {
  const at = (key: string, min: number, max: number) => integer(value[key], `frontend.${key}`, min, max);
  return {
    sampleRate: at("sampleRate", 1000, 2 ** 20),
    mels: at("mels", 1, 2 ** 10),
    frameLengthMs: at("frameLengthMs", 1, 1000),
    frameShiftMs: at("frameShiftMs", 1, 1000),
    lfrM: at("lfrM", 1, 64),
    lfrN: at("lfrN", 1, 64),
  };
}

function expectQuantization(value: unknown): Record<string, Quantization> {
  const entries = Object.entries(object(value, "quantization")).map(
    ([name, entry]): [string, Quantization] => {
      const field = `quantization["${name}"]`;
      const { bits, groupSize, activation } = object(entry, field);
      if (activation !== undefined && activation !== "dynamic" && !isPositive(activation)) {
        fail(`${field}.activation`, '"dynamic" or a positive number', activation);
      }
      const sizes = {
        bits: integer(bits, `${field}.bits`, 2, 8),
        groupSize: integer(groupSize, `${field}.groupSize`, 1, 2 ** 18),
      };
      return [name, activation === undefined ? sizes : { ...sizes, activation }];
    },
  );
  return Object.fromEntries(entries);
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value < Number.POSITIVE_INFINITY;
}

function object(value: unknown, field: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  return fail(field, "an object", value);
}

function string(value: unknown, field: string): string {
  return typeof value === "string" && value !== "" ? value : fail(field, "a text", value);
}

function integer(value: unknown, field: string, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  return fail(field, `an integer from ${min} to ${max}`, value);
}

function fail(field: string, expected: string, got: unknown): never {
  const shown = String(JSON.stringify(got)).slice(0, 60);
  throw new SenseVoiceError(`[weights] config.json: ${field}: expected ${expected}, got ${shown}`);
}
