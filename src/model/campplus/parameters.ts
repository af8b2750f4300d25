import type { Parameter } from "../../weights/parameters.ts";
import { BLOCKS, type CampplusSizes, HEAD_CHANNELS } from "./config.ts";

/**
 * The parameters of a checkpoint, and of `model.safetensors`, under PyTorch's names and in its shapes: convolutions
 * [out, in, mels, time] or [out, in, time], batch norms with their running statistics.
 */
export function campplusParameters(sizes: CampplusSizes): Parameter[] {
  const { mels, embeddingSize, growthRate, bottleneck, initChannels } = sizes;
  const parameters: Parameter[] = [];
  const add = (name: string, ...shape: number[]) => parameters.push({ name, shape, kind: "other" });
  const norm = (name: string, channels: number, affine = true) => {
    const parts = affine ? ["weight", "bias"] : [];
    for (const part of [...parts, "running_mean", "running_var"]) add(`${name}.${part}`, channels);
  };
  const square = (name: string, normName: string, input = HEAD_CHANNELS, kernel = 3) => {
    add(`${name}.weight`, HEAD_CHANNELS, input, kernel, kernel);
    norm(normName, HEAD_CHANNELS);
  };

  square("head.conv1", "head.bn1", 1);
  for (const layer of ["head.layer1", "head.layer2"]) {
    for (const i of [0, 1]) {
      for (const j of [1, 2]) square(`${layer}.${i}.conv${j}`, `${layer}.${i}.bn${j}`);
      if (i === 0) square(`${layer}.0.shortcut.0`, `${layer}.0.shortcut.1`, HEAD_CHANNELS, 1);
    }
  }
  square("head.conv2", "head.bn2");

  add("xvector.tdnn.linear.weight", initChannels, (HEAD_CHANNELS * mels) / 8, 5);
  norm("xvector.tdnn.nonlinear.batchnorm", initChannels);
  const width = bottleneck * growthRate;
  let channels = initChannels;
  BLOCKS.forEach(({ layers }, b) => {
    for (let i = 1; i <= layers; i++, channels += growthRate) {
      const layer = `xvector.block${b + 1}.tdnnd${i}`;
      norm(`${layer}.nonlinear1.batchnorm`, channels);
      add(`${layer}.linear1.weight`, width, channels, 1);
      norm(`${layer}.nonlinear2.batchnorm`, width);
      add(`${layer}.cam_layer.linear_local.weight`, growthRate, width, 3);
      add(`${layer}.cam_layer.linear1.weight`, width / 2, width, 1);
      add(`${layer}.cam_layer.linear1.bias`, width / 2);
      add(`${layer}.cam_layer.linear2.weight`, growthRate, width / 2, 1);
      add(`${layer}.cam_layer.linear2.bias`, growthRate);
    }
    norm(`xvector.transit${b + 1}.nonlinear.batchnorm`, channels);
    add(`xvector.transit${b + 1}.linear.weight`, channels / 2, channels, 1);
    channels /= 2;
  });
  norm("xvector.out_nonlinear.batchnorm", channels);
  add("xvector.dense.linear.weight", embeddingSize, 2 * channels, 1);
  norm("xvector.dense.nonlinear.batchnorm", embeddingSize, false);
  return parameters;
}
