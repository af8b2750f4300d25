import type { Parameter } from "../../weights/parameters.ts";
import type { EncoderConfig, ModelConfig } from "./config.ts";

/** Rows of `embed`: 7 + 7 languages + 2 text norms (SenseVoiceSmall.__init__, FunASR's sense_voice/model.py). */
const EMBED_ROWS = 16;

/** The parameters of a checkpoint, with PyTorch's shapes: linear weights [out, in], FSMN taps [D, 1, taps]. */
export function checkpointParameters(encoder: EncoderConfig, vocabSize: number): Parameter[] {
  const { inputSize, outputSize: width, linearUnits, kernelSize } = encoder;
  const parameters: Parameter[] = [];
  const add = (name: string, ...shape: number[]) => parameters.push({ name, shape, kind: "other" });
  const linear = (name: string, out: number, input: number) => {
    parameters.push({ name: `${name}.weight`, shape: [out, input], kind: "linear" });
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
  parameters.push({ name: "embed.weight", shape: [EMBED_ROWS, inputSize], kind: "embedding" });
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
  const cmvn = ["shift", "scale"].map(
    (part): Parameter => ({
      name: `frontend.cmvn.${part}`,
      shape: [config.encoder.inputSize],
      kind: "other",
    }),
  );
  const parameters = checkpointParameters(config.encoder, config.vocabSize).map((parameter) => ({
    ...parameter,
    shape: parameter.shape.length === 3 ? [parameter.shape[0], parameter.shape[2]] : parameter.shape,
  }));
  return [...cmvn, ...parameters];
}

/** The weights of the linear layers, CTC head included: what quantisation is about. */
export function linearParameters(config: Pick<ModelConfig, "encoder" | "vocabSize">): Parameter[] {
  return modelParameters(config).filter(({ kind }) => kind === "linear");
}
