import type { Parameter } from "../../weights/parameters.ts";
import type { VadEncoderConfig } from "./config.ts";

/** The parameters of a checkpoint, with PyTorch's shapes: linear weights [out, in], FSMN taps [D, 1, taps, 1]. */
export function vadCheckpointParameters(encoder: VadEncoderConfig): Parameter[] {
  const { inputSize, inputAffineSize, linearSize, projectionSize, taps, outputAffineSize, outputSize } = encoder;
  const parameters: Parameter[] = [];
  const add = (name: string, ...shape: number[]) => parameters.push({ name: `encoder.${name}`, shape, kind: "other" });
  const affine = (name: string, out: number, input: number) => {
    add(`${name}.linear.weight`, out, input);
    add(`${name}.linear.bias`, out);
  };
  affine("in_linear1", inputAffineSize, inputSize);
  affine("in_linear2", linearSize, inputAffineSize);
  for (let i = 0; i < encoder.layers; i++) {
    add(`fsmn.${i}.linear.linear.weight`, projectionSize, linearSize);
    add(`fsmn.${i}.fsmn_block.conv_left.weight`, projectionSize, 1, taps, 1);
    affine(`fsmn.${i}.affine`, linearSize, projectionSize);
  }
  affine("out_linear1", outputAffineSize, linearSize);
  affine("out_linear2", outputSize, outputAffineSize);
  return parameters;
}

/** The tensors of `model.safetensors`, all f32: CMVN, then the checkpoint's parameters, FSMN taps as [D, taps]. */
export function vadParameters(encoder: VadEncoderConfig): Parameter[] {
  const cmvn = ["shift", "scale"].map(
    (part): Parameter => ({ name: `frontend.cmvn.${part}`, shape: [encoder.inputSize], kind: "other" }),
  );
  const parameters = vadCheckpointParameters(encoder).map((parameter) => {
    const { shape } = parameter;
    return { ...parameter, shape: shape.length === 4 ? [shape[0], shape[2]] : shape };
  });
  return [...cmvn, ...parameters];
}
