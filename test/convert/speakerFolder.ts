import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { campplusParameters } from "../../src/model/campplus/parameters.ts";
import { randomizer } from "../support/random.ts";
import { temporaryFolder } from "./folder.ts";
import { type State, torchSave } from "./torchSave.ts";

/** The least that the sizes can be, and FunASR's other options as its folder has them. */
export const CONFIG = `model: CAMPPlus
model_conf:
    feat_dim: 8
    embedding_size: 6
    growth_rate: 32
    bn_size: 1
    init_channels: 32
    config_str: batchnorm-relu
    memory_efficient: true
    output_level: segment
frontend: WavFrontend
`;
export const CONFIGURATION = JSON.stringify({ file_path_metas: { init_param: "campplus_cn_common.bin" } });
export const SIZES = { mels: 8, embeddingSize: 6, growthRate: 32, bottleneck: 1, initChannels: 32 };

const random = randomizer(1);
export const TOY: State = campplusParameters(SIZES).flatMap(({ name, shape }) => {
  const { data } = random([...shape], 0.5);
  const numbers = Float32Array.from(data, (v) => (name.endsWith("_var") ? v + 1 : v));
  const counter = [name.replace(/running_var$/, "num_batches_tracked"), { shape: [] }] as const;
  return name.endsWith("_var")
    ? [[name, { shape, data: numbers }] as const, counter]
    : [[name, { shape, data: numbers }]];
});

/** A folder as FunASR lays it out, removed after the test. */
export function folderOf(state = TOY, config = CONFIG, wrapper?: string): string {
  const dir = temporaryFolder();
  writeSpeakerFolder(dir, state, config, wrapper);
  return dir;
}

export function writeSpeakerFolder(dir: string, state = TOY, config = CONFIG, wrapper?: string): void {
  writeFileSync(join(dir, "campplus_cn_common.bin"), torchSave(state, wrapper));
  writeFileSync(join(dir, "config.yaml"), config);
  writeFileSync(join(dir, "configuration.json"), CONFIGURATION);
}

export const filesOf = (dir: string) =>
  Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]));
