import { SenseVoiceError } from "../../error.ts";
import type { Backend, CtcHead, LinearWeight, Norm, Tensor } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import type { Weight } from "../../tensor/quantized.ts";
import type { ModelConfig } from "./config.ts";
import { linearParameters, modelParameters } from "./parameters.ts";

export interface NormWeights<T> extends Norm<T> {
  readonly name: string;
}

export interface LinearLayer<T, W> {
  /** [out, in] */
  readonly weight: W;
  readonly bias: T;
}

/** One SANM layer. */
export interface LayerWeights<T, W> {
  readonly name: string;
  readonly norm1: NormWeights<T>;
  readonly qkv: LinearLayer<T, W>;
  /** [D, taps] */
  readonly fsmn: T;
  readonly out: LinearLayer<T, W>;
  readonly norm2: NormWeights<T>;
  readonly w1: LinearLayer<T, W>;
  readonly w2: LinearLayer<T, W>;
}

export interface ModelWeights<T, W> {
  /** `embed.weight` [16, inputSize], on the host: it goes into the input rows there. */
  readonly embedTable: Float32Array;
  /** The encoder's two stacks of layers (50 and 20), each with a layer norm behind it. */
  readonly stacks: readonly {
    readonly layers: readonly LayerWeights<T, W>[];
    readonly norm: NormWeights<T>;
  }[];
  readonly head: CtcHead<T, W>;
  /** Of `am.mvn`, for the front end. */
  readonly cmvn: { readonly shift: Float32Array; readonly scale: Float32Array };
  /** All linear weights by name, those of the layers and the head. */
  readonly linears: ReadonlyMap<string, W>;
  /** Gives the device's memory back. */
  readonly release: () => void;
}

/** Tensors of a model by name, one after another. */
export type Tensors = AsyncIterable<[name: string, tensor: Weight]> | Iterable<[name: string, tensor: Weight]>;

/**
 * Puts a model's tensors on a device, one at a time as they come, and arranges them by name. Linear weights pass
 * through `convert`; all else becomes f32. A tensor is not used any more once the next is asked for. After an error nothing is left on the device.
 *
 * @param onLayer gets each layer as soon as it is there
 */
export async function loadWeights<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  config: Pick<ModelConfig, "encoder" | "vocabSize">,
  tensors: Tensors,
  convert: (weight: Weight) => Weight | Promise<Weight> = (weight) => weight,
  onLayer: (layer: LayerWeights<T, W>) => void = () => {},
): Promise<ModelWeights<T, W>> {
  const isLinear = new Set(linearParameters(config).map(({ name }) => name));
  const left = new Map<string, number>();
  for (const { name } of modelParameters(config)) left.set(layerOf(name), (left.get(layerOf(name)) ?? 0) + 1);
  const host = new Map<string, Float32Array>();
  const linears = new Map<string, W>();
  const device = new Map<string, T>();
  const release = () => [...linears.values(), ...device.values()].forEach(backend.release);
  try {
    for await (const [name, tensor] of tensors) {
      if (isLinear.has(name)) linears.set(name, backend.uploadLinear(await convert(tensor)));
      else if (tensor.dtype === "quantized") throw new SenseVoiceError(`[weights] ${name}: expected floats`);
      else if (name === "embed.weight" || name.startsWith("frontend.")) host.set(name, asF32(tensor).slice());
      else device.set(name, backend.upload(tensor));
      const layer = layerOf(name);
      const missing = (left.get(layer) ?? 0) - 1;
      left.set(layer, missing);
      if (layer && missing === 0) onLayer(layerWeights(layer, { host, device, linears }));
    }
    const weights = { ...arrange(config.encoder, { host, device, linears }), linears, release };
    await backend.read(weights.stacks[0].norm.gamma); // an upload that found no memory fails here
    return weights;
  } catch (error) {
    release();
    throw error;
  }
}

interface Parts<T, W> {
  readonly host: ReadonlyMap<string, Float32Array>;
  readonly device: ReadonlyMap<string, T>;
  readonly linears: ReadonlyMap<string, W>;
}

/** The layer that a tensor is of, "encoder.encoders.7", or "". */
function layerOf(name: string): string {
  return /^encoder\.\w+\.\d+(?=\.)/.exec(name)?.[0] ?? "";
}

function linearLayer<T, W>(name: string, { device, linears }: Parts<T, W>): LinearLayer<T, W> {
  return {
    weight: linears.get(`${name}.weight`) ?? missing(`${name}.weight`),
    bias: device.get(`${name}.bias`) ?? missing(`${name}.bias`),
  };
}

function normWeights<T>(name: string, { device }: Pick<Parts<T, unknown>, "device">): NormWeights<T> {
  const on = (part: string) => device.get(`${name}.${part}`) ?? missing(`${name}.${part}`);
  return { name, gamma: on("weight"), beta: on("bias") };
}

function layerWeights<T, W>(name: string, parts: Parts<T, W>): LayerWeights<T, W> {
  const taps = `${name}.self_attn.fsmn_block.weight`;
  return {
    name,
    norm1: normWeights(`${name}.norm1`, parts),
    qkv: linearLayer(`${name}.self_attn.linear_q_k_v`, parts),
    fsmn: parts.device.get(taps) ?? missing(taps),
    out: linearLayer(`${name}.self_attn.linear_out`, parts),
    norm2: normWeights(`${name}.norm2`, parts),
    w1: linearLayer(`${name}.feed_forward.w_1`, parts),
    w2: linearLayer(`${name}.feed_forward.w_2`, parts),
  };
}

/** The tensors in the network's order. */
function arrange<T, W>({ numBlocks, tpBlocks }: ModelConfig["encoder"], parts: Parts<T, W>) {
  const onHost = (name: string) => parts.host.get(name) ?? missing(name);
  const layer = (name: string) => layerWeights(name, parts);
  const layers = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => layer(`${prefix}.${i}`));
  return {
    embedTable: onHost("embed.weight"),
    stacks: [
      {
        layers: [layer("encoder.encoders0.0"), ...layers("encoder.encoders", numBlocks - 1)],
        norm: normWeights("encoder.after_norm", parts),
      },
      { layers: layers("encoder.tp_encoders", tpBlocks), norm: normWeights("encoder.tp_norm", parts) },
    ],
    head: linearLayer("ctc.ctc_lo", parts),
    cmvn: { shift: onHost("frontend.cmvn.shift"), scale: onHost("frontend.cmvn.scale") },
  };
}

function missing(name: string): never {
  throw new SenseVoiceError(`[weights] expected a tensor ${name}, found none: is the model folder complete?`);
}
