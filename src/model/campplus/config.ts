import { type Field, integerField, refuse, textField } from "../../weights/fields.ts";
import { WEIGHTS_FILE } from "../../weights/source.ts";
import { configFields, expectFiles, expectFormat, type ModelConfig } from "../sensevoice/config.ts";

/** `format` in the `config.json` of a speaker model's folder. */
export const SPEAKER_FORMAT = "sensevoice-speaker";

/** Sizes of CAM++; behind each FunASR's name for it and that of its published model. */
export interface CampplusSizes {
  /** Mels of a feature row (feat_dim, 80). */
  readonly mels: number;
  /** embedding_size, 192 */
  readonly embeddingSize: number;
  /** Columns that a dense layer adds (growth_rate, 32). */
  readonly growthRate: number;
  /** Width inside a dense layer, in growthRate (bn_size, 4). */
  readonly bottleneck: number;
  /** Columns in front of the first block (init_channels, 128). */
  readonly initChannels: number;
}

/** FunASR's defaults. */
export const DEFAULT_SIZES: CampplusSizes = {
  ...{ mels: 80, embeddingSize: 192, growthRate: 32, bottleneck: 4, initChannels: 128 },
};

/** What no configuration changes. Channels of the head. */
export const HEAD_CHANNELS = 32;
/** The dense blocks. */
export const BLOCKS = [
  { layers: 12, dilation: 1 },
  { layers: 24, dilation: 2 },
  { layers: 16, dilation: 2 },
] as const;
/** Rows of a segment of the context. */
export const SEGMENT = 100;

/** `config.json` of a speaker model's folder. */
export interface SpeakerConfig extends CampplusSizes {
  readonly format: typeof SPEAKER_FORMAT;
  readonly formatVersion: 1;
  readonly name: string;
  /** The folder's other files. */
  readonly files: ModelConfig["files"];
}

/** Checks what `config.json` held. Throws a SenseVoiceError naming the first field that is not as SpeakerConfig has it. */
export function parseSpeakerConfig(json: unknown): SpeakerConfig {
  const at = configFields(json);
  expectFormat(at, SPEAKER_FORMAT, 1);
  return {
    ...{ format: SPEAKER_FORMAT, formatVersion: 1, name: textField(at("name")) },
    ...expectCampplus((key) => at(key)),
    files: expectFiles(at, [WEIGHTS_FILE]),
  };
}

/** Reads the sizes, wherever a file has each of them. Throws a SenseVoiceError naming the first wrong one. */
export function expectCampplus(from: (key: keyof CampplusSizes) => Field): CampplusSizes {
  // The limits are far above the published model; they keep a damaged number from asking for all memory.
  const size = (key: keyof CampplusSizes, step: number, max: number) => {
    const value = integerField(from(key), 1, max);
    return value % step === 0 ? value : refuse(from(key), `a multiple of ${step}`);
  };
  return {
    mels: size("mels", 8, 2 ** 10), // the head halves them three times
    embeddingSize: size("embeddingSize", 1, 2 ** 12),
    growthRate: size("growthRate", 32, 2 ** 8), // so that half of a block's columns is a multiple of 4
    bottleneck: size("bottleneck", 1, 2 ** 4),
    initChannels: size("initChannels", 32, 2 ** 10),
  };
}
