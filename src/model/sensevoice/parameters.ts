import { SenseVoiceError } from "../../error.ts";
import type { EncoderConfig, ModelConfig } from "./config.ts";

/** A parameter of SenseVoiceSmall, under PyTorch's name. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** A matrix of a linear layer, or the embedding: what may be stored in fewer bits. */
  readonly matrix: boolean;
}

/** Rows of `embed`: 7 + 7 languages + 2 text norms (SenseVoiceSmall.__init__, FunASR's sense_voice/model.py). */
const EMBED_ROWS = 16;

/** The parameters of a checkpoint, with PyTorch's shapes: linear weights [out, in], FSMN taps [D, 1, taps]. */
export function checkpointParameters(encoder: EncoderConfig, vocabSize: number): Parameter[] {
  const { inputSize, outputSize: width, linearUnits, kernelSize } = encoder;
  const parameters: Parameter[] = [];
  const add = (name: string, ...shape: number[]) =>
    parameters.push({ name, shape, matrix: shape.length === 2 });
  const linear = (name: string, out: number, input: number) => {
    add(`${name}.weight`, out, input);
    add(`${name}.bias`, out);
  };
  const norm = (name: string, size: number) => {
    add(`${name}.weight`, size);
    add(`${name}.bias`, size);
  };
  const layer = (name: string, input: number) => {
    norm(`${name}.norm1`, input);
    linear(`${name}.self_attn.linear_q_k_v`, 3 * width, input);
    add(`${name}.self_attn.fsmn_block.weight`, width, 1, kernelSize);
    linear(`${name}.self_attn.linear_out`, width, width);
    norm(`${name}.norm2`, width);
    linear(`${name}.feed_forward.w_1`, linearUnits, width);
    linear(`${name}.feed_forward.w_2`, width, linearUnits);
  };
  add("embed.weight", EMBED_ROWS, inputSize);
  layer("encoder.encoders0.0", inputSize);
  for (let i = 0; i < encoder.numBlocks - 1; i++) layer(`encoder.encoders.${i}`, width);
  norm("encoder.after_norm", width);
  for (let i = 0; i < encoder.tpBlocks; i++) layer(`encoder.tp_encoders.${i}`, width);
  norm("encoder.tp_norm", width);
  linear("ctc.ctc_lo", vocabSize, width);
  return parameters;
}

/** The tensors of `model.safetensors`: CMVN, then the checkpoint's parameters, FSMN taps as [D, taps]. */
export function modelParameters(config: Pick<ModelConfig, "encoder" | "vocabSize">): Parameter[] {
  const cmvn = ["shift", "scale"].map((part) => ({
    name: `frontend.cmvn.${part}`,
    shape: [config.encoder.inputSize],
    matrix: false,
  }));
  const parameters = checkpointParameters(config.encoder, config.vocabSize).map((parameter) => ({
    ...parameter,
    shape: parameter.shape.length === 3 ? [parameter.shape[0], parameter.shape[2]] : parameter.shape,
  }));
  return [...cmvn, ...parameters];
}

/** The weights of the linear layers, CTC head included: what quantisation is about. The embedding is no layer. */
export function linearParameters(config: Pick<ModelConfig, "encoder" | "vocabSize">): Parameter[] {
  return modelParameters(config).filter(({ name, matrix }) => matrix && name !== "embed.weight");
}

/** Throws unless `tensors` are exactly the expected ones: none missing, none more, every shape right. */
export function expectParameters(
  where: string,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  expected: readonly Parameter[],
): void {
  for (const { name, shape } of expected) {
    const got = tensors.get(name)?.shape;
    if (!got) throw new SenseVoiceError(`[weights] ${where}: the parameter "${name}" is missing`);
    if (got.join() !== shape.join()) {
      throw new SenseVoiceError(`[weights] ${where}: ${name}: expected shape [${shape}], got [${got}]`);
    }
  }
  const names = new Set(expected.map(({ name }) => name));
  for (const name of tensors.keys()) {
    if (!names.has(name)) throw new SenseVoiceError(`[weights] ${where}: unexpected parameter "${name}"`);
  }
}
