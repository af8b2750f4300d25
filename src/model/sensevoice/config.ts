import { type Field, fieldOf, integerField, objectField, refuse, textField } from "../../weights/fields.ts";
import type { Quantization } from "../../weights/quantizedParts.ts";
import { TOKENIZER_FILE, WEIGHTS_FILE } from "../../weights/source.ts";

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
  /** 16000: the rate that the network was trained at and all sound is brought to. */
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
  readonly formatVersion: 2;
  /** What the model calls itself: the name of the folder it was converted from, or `--name`. */
  readonly name: string;
  /** How the linear weights are stored, to be shown: "f16", "int4", … */
  readonly weights: string;
  /** The linear weights in few bits, by name; the others are floats. */
  readonly quantization?: Readonly<Record<string, Quantization>>;
  /** What chose their schemes, kept as it was given. */
  readonly policy?: unknown;
  /** SHA-256 of the weights file that these were quantised from. */
  readonly madeFrom?: string;
  readonly encoder: EncoderConfig;
  readonly frontend: FrontendConfig;
  /** Tokens the CTC head chooses from; 0 is the blank. */
  readonly vocabSize: number;
  /** The folder's other files, each with its size in bytes and its SHA-256 in hexadecimal. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

/**
 * Checks what `config.json` held. Throws a SenseVoiceError naming the first field that is not as
 * ModelConfig describes it, sizes that do not fit together included. Fields not known are ignored.
 */
export function parseModelConfig(json: unknown): ModelConfig {
  const at = configFields(json);
  expectFormat(at, "sensevoice", 2);
  const files = expectFiles(at, [WEIGHTS_FILE, TOKENIZER_FILE]);
  const { quantization, policy, madeFrom } = objectField(at());
  return {
    format: "sensevoice",
    formatVersion: 2,
    name: textField(at("name")),
    weights: textField(at("weights")),
    ...(quantization !== undefined && { quantization: expectQuantization(at("quantization")) }),
    ...(policy !== undefined && { policy }),
    ...(madeFrom !== undefined && { madeFrom: textField(at("madeFrom")) }),
    ...expectSizes({ encoder: (key) => at("encoder", key), frontend: (key) => at("frontend", key) }),
    vocabSize: integerField(at("vocabSize"), 2, 2 ** 20),
    files,
  };
}

/** A field of a `config.json`, by its path. */
export type ConfigFields = (...keys: string[]) => Field;

export function configFields(json: unknown): ConfigFields {
  return (...keys) => keys.reduce(fieldOf, { where: "config.json", value: json });
}

/** Throws unless a `config.json` says that it is of this format and version. */
export function expectFormat(at: ConfigFields, format: string, version: number): void {
  if (at("format").value !== format) refuse(at("format"), JSON.stringify(format));
  const { value } = at("formatVersion");
  if (value === version) return;
  const newer = typeof value === "number" && value > version;
  const advice = newer ? "a newer folder needs a newer sensevoice" : "convert or download the model again";
  refuse(at("formatVersion"), `${version} (${advice})`);
}

/** The files that a `config.json` lists, those of these names among them. */
export function expectFiles(at: ConfigFields, names: readonly string[]): ModelConfig["files"] {
  const files: Record<string, { bytes: number; sha256: string }> = {};
  for (const name of new Set([...names, ...Object.keys(objectField(at("files")))])) {
    const bytes = integerField(at("files", name, "bytes"), 0, Number.MAX_SAFE_INTEGER);
    const { value: sha256 } = at("files", name, "sha256");
    if (typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256)) files[name] = { bytes, sha256 };
    else refuse(at("files", name, "sha256"), "64 hexadecimal digits");
  }
  return files;
}

/** Reads the sizes of a front end. The limits are far above any real one's. No sample may be passed over. */
export function expectFrontend(from: (key: keyof FrontendConfig) => Field): FrontendConfig {
  const size = (key: keyof FrontendConfig, max: number) => integerField(from(key), 1, max);
  if (from("sampleRate").value !== 16000) refuse(from("sampleRate"), "16000");
  const frontend = {
    sampleRate: 16000,
    mels: size("mels", 2 ** 10),
    frameLengthMs: size("frameLengthMs", 1000),
    frameShiftMs: size("frameShiftMs", 1000),
    lfrM: size("lfrM", 64),
    lfrN: size("lfrN", 64),
  };
  const { frameLengthMs, frameShiftMs, lfrM, lfrN } = frontend;
  if (frameShiftMs >= frameLengthMs) refuse(from("frameShiftMs"), `less than the frames' ${frameLengthMs} ms`);
  if (lfrN > lfrM) refuse(from("lfrN"), `${lfrM} or less, the frames of a row`);
  return frontend;
}

/**
 * Reads the sizes of a network and its front end, wherever a file has each of them. Throws a SenseVoiceError naming the
 * first that is wrong: sizes must fit together, and no sample of the sound at 16 kHz may be passed over.
 */
export function expectSizes(from: {
  encoder: (key: keyof EncoderConfig) => Field;
  frontend: (key: keyof FrontendConfig) => Field;
}): { encoder: EncoderConfig; frontend: FrontendConfig } {
  // The limits are far above any SenseVoice; they keep a damaged number from asking for all memory.
  const size = (key: keyof EncoderConfig, min: number, max: number) => integerField(from.encoder(key), min, max);
  const frontend = expectFrontend(from.frontend);
  const encoder = {
    inputSize: size("inputSize", 4, 2 ** 16),
    outputSize: size("outputSize", 1, 2 ** 16),
    attentionHeads: size("attentionHeads", 1, 2 ** 10),
    linearUnits: size("linearUnits", 1, 2 ** 18),
    numBlocks: size("numBlocks", 1, 2 ** 10),
    tpBlocks: size("tpBlocks", 0, 2 ** 10),
    kernelSize: size("kernelSize", 1, 2 ** 10 - 1),
  };
  const { inputSize, outputSize, attentionHeads, kernelSize } = encoder;
  const width = frontend.mels * frontend.lfrM;
  if (inputSize !== width) refuse(from.encoder("inputSize"), `mels × lfrM = ${width}`);
  if (inputSize % 2) refuse(from.encoder("inputSize"), "an even number");
  if (outputSize % attentionHeads) refuse(from.encoder("outputSize"), `a multiple of ${attentionHeads}`);
  if (kernelSize % 2 === 0) refuse(from.encoder("kernelSize"), "an odd number");
  return { encoder, frontend };
}

function expectQuantization(quantization: Field): Record<string, Quantization> {
  const entries = Object.keys(objectField(quantization)).map((name): [string, Quantization] => {
    const at = (key: string) => fieldOf(fieldOf(quantization, name), key);
    const sizes = {
      bits: integerField(at("bits"), 2, 8),
      groupSize: integerField(at("groupSize"), 1, 2 ** 18),
    };
    const { value: activation } = at("activation");
    if (activation === undefined) return [name, sizes];
    const positive = typeof activation === "number" && activation > 0 && activation < Infinity;
    if (positive || activation === "dynamic") return [name, { ...sizes, activation }];
    return refuse(at("activation"), '"dynamic" or a positive number');
  });
  return Object.fromEntries(entries);
}
