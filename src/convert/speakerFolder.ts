import { type CampplusSizes, DEFAULT_SIZES, expectCampplus } from "../model/campplus/config.ts";
import { expectSupported, type FunasrConfig, type Supported } from "./funasrConfig.ts";

/** `model` in the `config.yaml` of a CAM++. */
export const SPEAKER_MODEL = "CAMPPlus";

/** A CAM++ as ModelScope and FunASR lay it out. */
export interface SpeakerFolder extends CampplusSizes {
  readonly checkpoint: string;
}

const SUPPORTED: readonly Supported[] = [
  { key: "model", value: SPEAKER_MODEL, required: true },
  { key: "model_conf.config_str", value: "batchnorm-relu", required: false },
  { key: "model_conf.output_level", value: "segment", required: false },
];

/** Where config.yaml has the sizes, under model_conf. Its front end changes nothing in FunASR. */
const SIZES: Readonly<Record<keyof CampplusSizes, string>> = {
  ...{ mels: "feat_dim", embeddingSize: "embedding_size", growthRate: "growth_rate" },
  ...{ bottleneck: "bn_size", initChannels: "init_channels" },
};

export function readSpeakerFolder(config: FunasrConfig): SpeakerFolder {
  expectSupported(config, SUPPORTED);
  const sizes = expectCampplus((key) => {
    const { where, value = DEFAULT_SIZES[key] } = config.at(`model_conf.${SIZES[key]}`);
    return { where, value };
  });
  return { ...sizes, checkpoint: config.filePath("init_param", () => "campplus_cn_common.bin") };
}
