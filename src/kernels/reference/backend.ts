import { createPause } from "../../pause.ts";
import { Arena, expectLive } from "../../tensor/arena.ts";
import type { Backend, LinearWeight } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import type { HostTensor } from "../../tensor/host.ts";
import { dequantize } from "../../tensor/quantized.ts";
import {
  checkCausalFsmn,
  checkContext,
  checkConvolve,
  checkGate,
  checkLayerNorm,
  checkLinear,
  checkLinearWeight,
  checkRelu,
  checkSanm,
  checkStatistics,
  checkTokens,
  checkTopK,
  checkWiden,
} from "../checks.ts";
import { attention } from "./attention.ts";
import { unfold } from "./convolve.ts";
import { ctcLogProbs, ctcTopK } from "./ctc.ts";
import { causalFsmn, fsmn } from "./fsmn.ts";
import { gate, widen } from "./gate.ts";
import { layerNorm } from "./layerNorm.ts";
import { linear } from "./linear.ts";
import { type Int8Weight, linearInt8, quantizeRows, uploadInt8 } from "./linearInt8.ts";
import { context, statistics } from "./pool.ts";
import { relu } from "./relu.ts";

/** f32 [N, K]; or, for a weight that is multiplied as integers, int8. */
export interface HostWeight extends LinearWeight<HostTensor> {
  readonly values: Float32Array | Int8Weight;
}

/** Plain loops over host memory, at once: the oracle of every test. A tensor is a HostTensor of f32 (or u32). */
export function referenceBackend(): Backend<HostTensor, HostWeight> {
  const arena = new Arena<HostTensor>(() => {}); // memory is the garbage collector's business
  const pause = createPause();
  const f32Tensor = (shape: readonly number[], data: Float32Array) => arena.own({ dtype: "f32", shape, data });
  const backend: Backend<HostTensor, HostWeight> = {
    name: "reference",
    description: "plain loops in JavaScript",

    upload(tensor) {
      if (tensor.dtype === "u32") return arena.own({ ...tensor, data: tensor.data.slice() });
      return f32Tensor(tensor.shape, asF32(tensor).slice());
    },

    uploadLinear(weight) {
      checkLinearWeight(weight);
      const { shape } = weight;
      if (weight.dtype !== "quantized") return { shape, tensors: [], values: asF32(weight).slice() };
      return { shape, tensors: [], values: weight.activation ? uploadInt8(weight) : dequantize(weight) };
    },

    layerNorm(x, norm) {
      const sizes = checkLayerNorm(x, norm);
      return f32Tensor(x.shape, layerNorm(f32(x), f32(norm.gamma), f32(norm.beta), sizes));
    },

    linear(x, { values, ...weight }, options = {}) {
      const sizes = checkLinear(x, weight, options);
      const { norm, rectify, bias, relu, residual } = options;
      if (rectify) return backend.linear(backend.relu(x, rectify), { values, ...weight }, { bias, relu, residual });
      const input = norm ? layerNorm(f32(x), f32(norm.gamma), f32(norm.beta), [sizes[0], sizes[2]]) : f32(x);
      const [rows, n, k] = sizes;
      const rest = [sizes, bias && f32(bias), relu, residual && f32(residual)] as const;
      if (values instanceof Float32Array) return f32Tensor([rows, n], linear(input, values, ...rest));
      return f32Tensor([rows, n], linearInt8(quantizeRows(input, [rows, k], values.activation), values, ...rest));
    },

    sanm(qkv, taps, heads, batch, residual) {
      const { rows, d, j } = checkSanm(qkv, taps, heads, batch, residual);
      const offsets = batch.offsets.data;
      return {
        attended: f32Tensor([rows, d], attention(f32(qkv), heads, d, offsets)),
        memory: f32Tensor([rows, d], fsmn(f32(qkv), f32(taps), [d, j], offsets, residual && f32(residual))),
      };
    },

    causalFsmn(x, taps, history) {
      const sizes = checkCausalFsmn(x, taps, history);
      return f32Tensor(x.shape, causalFsmn(f32(x), f32(taps), f32(history), sizes));
    },

    convolve(x, weight, convolution, grid, options = {}) {
      const { rows, n, k, out } = checkConvolve(x, weight, convolution, grid, options);
      const { bias, relu, residual } = options;
      const { values } = weight;
      const rest = [[rows, n, k], bias && f32(bias), relu, residual && f32(residual)] as const;
      if (values instanceof Float32Array) {
        return f32Tensor([rows, n], linear(unfold(f32(x), convolution, grid, out, k), values, ...rest));
      }
      const { clips } = grid;
      const q = quantizeRows(f32(x), [clips, f32(x).length / clips], values.activation);
      const patches = unfold(Float32Array.from(q.values), convolution, grid, out, k);
      const scales = Float32Array.from({ length: rows }, (_, r) => q.scales[Math.floor((r * clips) / rows)]);
      return f32Tensor([rows, n], linearInt8({ values: patches, scales }, values, ...rest));
    },

    relu(x, norm) {
      const sizes = checkRelu(x, norm);
      return f32Tensor(sizes.slice(0, 2), relu(f32(x), sizes, norm && f32(norm.gamma), norm && f32(norm.beta)));
    },

    widen(x, width) {
      const [rows, d] = checkWiden(x, width);
      return f32Tensor([rows, width], widen(f32(x), rows, d, width));
    },

    gate(wide, column, y, gates, clips, segment) {
      const sizes = checkGate(wide, column, y, gates, clips, segment);
      gate(f32(wide), wide.shape[1], column, f32(y), f32(gates), clips, segment, sizes);
      return wide;
    },

    context(x, clips, segment) {
      const sizes = checkContext(x, clips, segment);
      return f32Tensor([clips * sizes.segments, sizes.d], context(f32(x), clips, segment, sizes));
    },

    statistics(x, clips) {
      const sizes = checkStatistics(x, clips);
      return f32Tensor([clips, 2 * sizes[1]], statistics(f32(x), clips, sizes));
    },

    ctcTopK(x, head, k, banned) {
      const [rows, vocab] = checkTopK(x, head, k, banned);
      const { data } = backend.linear(x, head.weight, { bias: head.bias });
      return f32Tensor([rows, 2 * k + 1], ctcTopK(data as Float32Array, vocab, k, banned));
    },

    ctcLogProbs(x, head, tokens, first, rows, logSums) {
      const columns = checkTokens(x, tokens, first, rows, logSums);
      const width = x.shape[1];
      const part = f32Tensor([rows, width], f32(x).subarray(first * width, (first + rows) * width));
      const { data, shape } = backend.linear(part, head.weight, { bias: head.bias });
      return f32Tensor([rows, columns], ctcLogProbs(data as Float32Array, shape[1], tokens.data, logSums?.data));
    },

    scope: (record) => arena.scope(record),
    inParts: (clips, record) => record(0, clips),
    release: (item) => arena.release(item),
    async read(tensor) {
      expectLive("read", "tensor", tensor);
      return f32(tensor).slice(); // what is recorded next may write into it
    },
    clipsTogether: 1,
    partsAhead: 1,
    flush: async () => pause(),
    prepare: async () => {},
    memory: () => 0,
    close: () => {},
  };
  return backend;
}

function f32(tensor: HostTensor): Float32Array {
  return tensor.data as Float32Array;
}
