import { join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { type EncoderConfig, expectSizes, type FrontendConfig } from "../model/sensevoice/config.ts";
import type { Field } from "../weights/fields.ts";
import { readJsonFile, readSmallFile } from "../weights/file.ts";
import { type Cmvn, parseCmvn } from "./cmvn.ts";
import { expectSupported, type FunasrConfig, readText, type Supported } from "./funasrConfig.ts";

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

const MAX_TOKENIZER_BYTES = 2 ** 26;

const SUPPORTED: readonly Supported[] = [
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
export const FRONTEND: Readonly<Record<keyof FrontendConfig, string>> = {
  ...{ sampleRate: "fs", mels: "n_mels", frameLengthMs: "frame_length" },
  ...{ frameShiftMs: "frame_shift", lfrM: "lfr_m", lfrN: "lfr_n" },
};

/** Reads the small files that a SenseVoiceSmall's folder has beside `config.yaml`. */
export async function readFunasrFolder(config: FunasrConfig): Promise<FunasrFolder> {
  const { dir, names, filePath } = config;
  expectSupported(config, SUPPORTED);
  const { encoder, frontend } = sizesOf(config);
  const cmvn = filePath("frontend_conf.cmvn_file", () => "am.mvn");
  const tokenizer = filePath("tokenizer_conf.bpemodel", () => onlyTokenizer(dir, names));
  const tokens = await readJsonFile(join(dir, "tokens.json"));
  if (tokens !== undefined && !Array.isArray(tokens)) {
    throw new SenseVoiceError("[weights] tokens.json: expected an array of tokens");
  }
  return {
    checkpoint: filePath("init_param", () => "model.pt"),
    encoder,
    frontend,
    cmvn: parseCmvn(await readText(cmvn), encoder.inputSize),
    tokenizer: await readSmallFile(tokenizer, MAX_TOKENIZER_BYTES),
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

function sizesOf({ at }: FunasrConfig): { encoder: EncoderConfig; frontend: FrontendConfig } {
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
