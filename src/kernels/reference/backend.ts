import type { Backend, CtcHead, LinearOptions, Norm, Segments } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import type { HostTensor } from "../../tensor/host.ts";
import { dequantize, type Weight } from "../../tensor/quantized.ts";
import {
  checkAttention,
  checkFsmn,
  checkLayerNorm,
  checkLinear,
  checkLinearWeight,
  checkTokens,
} from "../checks.ts";
import { attention } from "./attention.ts";
import { ctcGreedy, ctcLogProbs } from "./ctc.ts";
import { fsmn } from "./fsmn.ts";
import { layerNorm } from "./layerNorm.ts";
import { linear } from "./linear.ts";
import { type Int8Weight, linearInt8, uploadInt8 } from "./linearInt8.ts";

/** Plain loops over host memory, at once: the oracle of every test. A tensor is a HostTensor of f32 (or u32). */
export class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly description = "plain loops in JavaScript";

  upload(tensor: HostTensor): HostTensor {
    if (tensor.dtype === "u32") return tensor;
    return f32Tensor(tensor.shape, asF32(tensor));
  }

  /** Weights in few bits become f32, but for those that are multiplied as integers. */
  uploadLinear(weight: Weight): HostTensor | Int8Weight {
    checkLinearWeight(weight);
    if (weight.dtype !== "quantized") return this.upload(weight);
    return weight.activation ? uploadInt8(weight) : f32Tensor(weight.shape, dequantize(weight));
  }

  layerNorm(x: HostTensor, norm: HostNorm): HostTensor {
    const sizes = checkLayerNorm(x, norm);
    return f32Tensor(x.shape, layerNorm(f32(x), f32(norm.gamma), f32(norm.beta), sizes));
  }

  linear(x: HostTensor, weight: HostTensor | Int8Weight, options: HostLinearOptions = {}): HostTensor {
    const sizes = checkLinear(x, weight, options);
    const input = f32(options.norm ? this.layerNorm(x, options.norm) : x);
    const bias = options.bias && f32(options.bias);
    const residual = options.residual && f32(options.residual);
    const y =
      weight.dtype === "int8"
        ? linearInt8(input, weight, sizes, bias, options.relu, residual)
        : linear(input, f32(weight), sizes, bias, options.relu, residual);
    return f32Tensor([sizes[0], sizes[1]], y);
  }

  attention(qkv: HostTensor, heads: number, segments: HostSegments): HostTensor {
    const [rows, d] = checkAttention(qkv, heads, segments);
    return f32Tensor([rows, d], attention(f32(qkv), heads, d, segments.offsets.data));
  }

  fsmn(qkv: HostTensor, taps: HostTensor, segments: HostSegments, residual?: HostTensor): HostTensor {
    const [rows, d, j] = checkFsmn(qkv, taps, segments, residual);
    return f32Tensor(
      [rows, d],
      fsmn(f32(qkv), f32(taps), [d, j], segments.offsets.data, residual && f32(residual)),
    );
  }

  ctcGreedy(x: HostTensor, head: HostCtcHead, banned?: number): HostTensor {
    const logits = this.linear(x, head.weight, { bias: head.bias });
    return f32Tensor([x.shape[0], 2], ctcGreedy(f32(logits), logits.shape[1], banned));
  }

  ctcLogProbs(x: HostTensor, head: HostCtcHead, tokens: HostTensor, segments: HostSegments): HostTensor {
    const [, columns] = checkTokens(x, tokens, segments);
    const logits = this.linear(x, head.weight, { bias: head.bias });
    return f32Tensor(
      [x.shape[0], columns],
      ctcLogProbs(f32(logits), logits.shape[1], tokens.data, columns, segments.offsets.data),
    );
  }

  scope(record: () => HostTensor): HostTensor {
    return record();
  }

  release(): void {}

  async read(tensor: HostTensor): Promise<Float32Array> {
    return f32(tensor);
  }

  memory(): number {
    return 0; // the garbage collector's business
  }

  close(): void {}
}

interface HostNorm extends Norm {
  readonly gamma: HostTensor;
  readonly beta: HostTensor;
}

interface HostLinearOptions extends LinearOptions {
  readonly norm?: HostNorm;
  readonly bias?: HostTensor;
  readonly residual?: HostTensor;
}

interface HostSegments extends Segments {
  readonly offsets: HostTensor;
}

interface HostCtcHead extends CtcHead {
  readonly weight: HostTensor | Int8Weight;
  readonly bias: HostTensor;
}

function f32Tensor(shape: readonly number[], data: Float32Array): HostTensor {
  return { dtype: "f32", shape, data };
}

function f32(tensor: HostTensor): Float32Array {
  return tensor.data as Float32Array;
}
