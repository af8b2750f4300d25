import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { quote, reasonOf, SenseVoiceError } from "../error.ts";
import { type EncoderConfig, expectSizes, type FrontendConfig } from "../model/sensevoice/config.ts";
import { type Field, fieldsOf, refuse } from "../weights/fields.ts";
import { fileError, readJsonFile, readSmallFile } from "../weights/file.ts";
import { type Cmvn, parseCmvn } from "./cmvn.ts";

/** A SenseVoiceSmall as ModelScope and FunASR lay it out, its small files read. */
export interface FunasrFolder {
  readonly checkpoint: string;
  readonly encoder: EncoderConfig;
  readonly frontend: FrontendConfig;
  readonly cmvn: Cmvn;
  /** The SentencePiece model, byte for byte. */
  readonly tokenizer: Uint8Array;
  /** Number of entries of `tokens.json`, where there is one. */
  readonly tokenCount: number | undefined;
}

const MAX_TEXT_BYTES = 2 ** 20;
const MAX_YAML_BYTES = 2 ** 15;
/** Collections opened on one line; a deep nest of them is more than the parser's stack holds. */
const MAX_NESTED = 500;
const MAX_TOKENIZER_BYTES = 2 ** 26;

/**
 * What config.yaml must say for the model to be the one that is implemented. Where a key is absent FunASR
 * takes a default: it is the value here, except for those marked required.
 */
const SUPPORTED: readonly { key: string; value: unknown; required: boolean }[] = [
  { key: "model", value: "SenseVoiceSmall", required: true },
  { key: "encoder", value: "SenseVoiceEncoderSmall", required: true },
  { key: "encoder_conf.input_layer", value: "pe", required: true },
  { key: "encoder_conf.selfattention_layer_type", value: "sanm", required: false },
  { key: "encoder_conf.pos_enc_class", value: "SinusoidalPositionEncoder", required: false },
  { key: "encoder_conf.normalize_before", value: true, required: false },
  { key: "encoder_conf.concat_after", value: false, required: false },
  { key: "encoder_conf.sanm_shfit", value: 0, required: false }, // spelt as FunASR spells it
  { key: "tokenizer", value: "SentencepiecesTokenizer", required: true },
  { key: "frontend", value: "WavFrontend", required: true },
  { key: "frontend_conf.window", value: "hamming", required: false },
  { key: "frontend_conf.snip_edges", value: true, required: false },
  { key: "frontend_conf.upsacle_samples", value: true, required: false },
];

/** Where config.yaml has the sizes. The width of a feature row is mels × lfrM. */
const ENCODER: Readonly<Record<Exclude<keyof EncoderConfig, "inputSize">, string>> = {
  ...{ outputSize: "output_size", attentionHeads: "attention_heads", linearUnits: "linear_units" },
  ...{ numBlocks: "num_blocks", tpBlocks: "tp_blocks", kernelSize: "kernel_size" },
};
const FRONTEND: Readonly<Record<keyof FrontendConfig, string>> = {
  ...{ sampleRate: "fs", mels: "n_mels", frameLengthMs: "frame_length" },
  ...{ frameShiftMs: "frame_shift", lfrM: "lfr_m", lfrN: "lfr_n" },
};

/** Reads `config.yaml`, `configuration.json`, `am.mvn`, the tokenizer and `tokens.json` of a FunASR folder. */
export async function readFunasrFolder(dir: string): Promise<FunasrFolder> {
  const names = await readdir(dir).catch((error: unknown) => {
    throw fileError(dir, error);
  });
  if (!names.includes("config.yaml")) {
    throw new SenseVoiceError(`[weights] ${dir}: expected a FunASR model folder, got one without config.yaml`);
  }
  const config = await readYaml(join(dir, "config.yaml"));
  expectSupported(config);
  const { encoder, frontend } = sizesOf(config);
  const metas = fieldAt(await readJsonFile(join(dir, "configuration.json")), "file_path_metas");
  const fileName = (key: string, fallback: () => string): string => {
    const name = fieldAt(metas, key) ?? fallback();
    if (typeof name === "string" && name === basename(name) && name !== "..") return name;
    return refuse({ where: `configuration.json: ${key}`, value: name }, "a file name");
  };
  const cmvn = fileName("frontend_conf.cmvn_file", () => "am.mvn");
  const tokenizer = fileName("tokenizer_conf.bpemodel", () => onlyTokenizer(dir, names));
  const tokens = await readJsonFile(join(dir, "tokens.json"));
  if (tokens !== undefined && !Array.isArray(tokens)) {
    throw new SenseVoiceError("[weights] tokens.json: expected an array of tokens");
  }
  return {
    checkpoint: join(
      dir,
      fileName("init_param", () => "model.pt"),
    ),
    encoder,
    frontend,
    cmvn: parseCmvn(await readText(join(dir, cmvn)), encoder.inputSize),
    tokenizer: await readSmallFile(join(dir, tokenizer), MAX_TOKENIZER_BYTES),
    tokenCount: tokens?.length,
  };
}

/** The tokenizer's name where configuration.json gives none: the only *.model file there is. */
function onlyTokenizer(dir: string, names: readonly string[]): string {
  const models = names.filter((name) => name.endsWith(".model"));
  if (models.length === 1) return models[0];
  throw new SenseVoiceError(
    `[weights] ${dir}: expected one SentencePiece *.model file, got ${models.join(", ") || "none"}`,
  );
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readSmallFile(path, MAX_TEXT_BYTES));
}

/** FunASR's have 2 KB and no aliases. The parser's time grows with the square of keys and of aliases. */
async function readYaml(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readSmallFile(path, MAX_YAML_BYTES));
  const fail = (reason: string) => {
    throw new SenseVoiceError(`[weights] ${path}: ${reason}`);
  };
  if ((text.match(/[[{?]|- (?=-)/g)?.length ?? 0) > MAX_NESTED) return fail("nested too deeply");
  try {
    return parse(text, { logLevel: "error", maxAliasCount: 0 });
  } catch (error) {
    return fail(reasonOf(error).replace("Maximum call stack size exceeded", "nested too deeply").replace(/:$/, ""));
  }
}

function expectSupported(config: unknown): void {
  for (const { key, value, required } of SUPPORTED) {
    const got = fieldAt(config, key);
    if (got === value || (got === undefined && !required)) continue;
    throw new SenseVoiceError(`[weights] config.yaml: ${key}: only ${quote(value)} is supported, got ${quote(got)}`);
  }
}

function sizesOf(config: unknown): { encoder: EncoderConfig; frontend: FrontendConfig } {
  const at = (key: string): Field => ({ where: `config.yaml: ${key}`, value: fieldAt(config, key) });
  const frontend = (key: keyof FrontendConfig) => at(`frontend_conf.${FRONTEND[key]}`);
  // Asked for once mels and lfrM were found to be numbers.
  const width = (): Field => ({
    where: "config.yaml: frontend_conf: n_mels × lfr_m",
    value: Number(frontend("mels").value) * Number(frontend("lfrM").value),
  });
  return expectSizes({
    encoder: (key) => (key === "inputSize" ? width() : at(`encoder_conf.${ENCODER[key]}`)),
    frontend,
  });
}

/** The field at a dotted path; null counts as absent, as it does in FunASR's configurations. */
function fieldAt(root: unknown, path: string): unknown {
  let value = root;
  for (const key of path.split(".")) {
    const fields = fieldsOf(value);
    value = Object.hasOwn(fields, key) ? (fields[key] ?? undefined) : undefined;
  }
  return value;
}
