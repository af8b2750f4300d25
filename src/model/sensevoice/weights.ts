import { SenseVoiceError } from "../../error.ts";
import { quantizeTensor } from "../../quant/quantize.ts";
import { isLinearWeight } from "../../quant/quantizeModel.ts";
import { PRESETS } from "../../quant/scheme.ts";
import type { Backend, CtcHead, LinearWeight, Norm, Tensor } from "../../tensor/backend.ts";
import { asF32, f32ToF16 } from "../../tensor/f16.ts";
import { dequantize, type Weight } from "../../tensor/quantized.ts";
import type { EncoderConfig } from "./config.ts";

export interface NormWeights extends Norm {
  readonly name: string;
}

export interface LinearWeights {
  /** [out, in] */
  readonly weight: LinearWeight;
  readonly bias: Tensor;
}

/** One SANM layer. */
export interface LayerWeights {
  readonly name: string;
  readonly norm1: NormWeights;
  readonly qkv: LinearWeights;
  /** [D, taps] */
  readonly fsmn: Tensor;
  readonly out: LinearWeights;
  readonly norm2: NormWeights;
  readonly w1: LinearWeights;
  readonly w2: LinearWeights;
}

export interface ModelWeights {
  /** `embed.weight` [16, inputSize], on the host: it goes into the input rows there. */
  readonly embedTable: Float32Array;
  /** The encoder's two stacks of layers (50 and 20), each with a layer norm behind it. */
  readonly stacks: readonly { readonly layers: readonly LayerWeights[]; readonly norm: NormWeights }[];
  readonly head: CtcHead;
  /** Of `am.mvn`, for the front end. */
  readonly cmvn: { readonly shift: Float32Array; readonly scale: Float32Array };
}

/** What linear weights can be turned into as they are loaded: floats, or few bits by rule. */
export const WEIGHT_TYPES = ["f32", "f16", "int8", "int4"] as const;
export type WeightType = (typeof WEIGHT_TYPES)[number];

/**
 * Puts a model's tensors on a device, one at a time as they come, and arranges them by name. The linear weights
 * become `type`, or stay as they are without it; all else is f32.
 */
export async function loadWeights(
  backend: Backend,
  config: EncoderConfig,
  tensors: AsyncIterable<[name: string, tensor: Weight]> | Iterable<[name: string, tensor: Weight]>,
  type?: WeightType,
): Promise<ModelWeights> {
  const host = new Map<string, Float32Array>();
  const linears = new Map<string, LinearWeight>();
  const device = new Map<string, Tensor>();
  for await (const [name, tensor] of tensors) {
    if (tensor.dtype === "quantized" || isLinearWeight(name, tensor)) {
      linears.set(name, backend.uploadLinear(convert(tensor, type)));
    } else if (name === "embed.weight" || name.startsWith("frontend.")) host.set(name, asF32(tensor));
    else device.set(name, backend.upload(tensor));
  }

  const onHost = (name: string) => host.get(name) ?? missing(name);
  const on = (name: string) => device.get(name) ?? missing(name);
  const linear = (name: string) => ({
    weight: linears.get(`${name}.weight`) ?? missing(`${name}.weight`),
    bias: on(`${name}.bias`),
  });
  const norm = (name: string) => ({ name, gamma: on(`${name}.weight`), beta: on(`${name}.bias`) });
  const layer = (name: string): LayerWeights => ({
    name,
    norm1: norm(`${name}.norm1`),
    qkv: linear(`${name}.self_attn.linear_q_k_v`),
    fsmn: on(`${name}.self_attn.fsmn_block.weight`),
    out: linear(`${name}.self_attn.linear_out`),
    norm2: norm(`${name}.norm2`),
    w1: linear(`${name}.feed_forward.w_1`),
    w2: linear(`${name}.feed_forward.w_2`),
  });
  const layers = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => layer(`${prefix}.${i}`));

  const weights: ModelWeights = {
    embedTable: onHost("embed.weight"),
    stacks: [
      {
        layers: [layer("encoder.encoders0.0"), ...layers("encoder.encoders", config.numBlocks - 1)],
        norm: norm("encoder.after_norm"),
      },
      { layers: layers("encoder.tp_encoders", config.tpBlocks), norm: norm("encoder.tp_norm") },
    ],
    head: linear("ctc.ctc_lo"),
    cmvn: { shift: onHost("frontend.cmvn.shift"), scale: onHost("frontend.cmvn.scale") },
  };
  await backend.read(weights.stacks[0].norm.gamma); // an upload that found no memory is complained of here
  return weights;
}

function convert(tensor: Weight, type: WeightType | undefined): Weight {
  if (!type || tensor.dtype === type) return tensor;
  const f32 = tensor.dtype === "quantized" ? dequantize(tensor) : asF32(tensor);
  if (type === "int8" || type === "int4") {
    const [n, k] = tensor.shape;
    return quantizeTensor(f32, [n, k], PRESETS[type]);
  }
  return { dtype: type, shape: tensor.shape, data: type === "f16" ? f32ToF16(f32) : f32 };
}

function missing(name: string): never {
  throw new SenseVoiceError(`[weights] expected a tensor ${name}, found none: is the model folder complete?`);
}
