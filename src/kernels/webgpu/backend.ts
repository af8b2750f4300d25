import type { Backend } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import { sanm } from "./attention/sanm.ts";
import { convolve } from "./convolve.ts";
import { ctcLogProbs, ctcTopK } from "./ctc.ts";
import { causalFsmn } from "./fsmn.ts";
import { gate, widen } from "./gate.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { layerNorm } from "./layerNorm.ts";
import type { GpuWeight } from "./linear/kernel.ts";
import { linear, type Tuned, uploadLinear } from "./linear/linear.ts";
import { context, statistics } from "./pool.ts";
import { relu } from "./relu.ts";
import { linearKind, tunedKernels } from "./tuner/linear.ts";
import type { Times } from "./tuner/times.ts";

/** What is not chosen by rule. */
export interface WebgpuOptions {
  /** The one kernel of LINEAR_KERNELS for all linear layers. */
  readonly linear?: string;
  /** The one kernel of SANM_KERNELS. */
  readonly attention?: string;
  /** What was found out about kernels on this device; may still grow. */
  readonly times?: ReadonlyMap<string, Times>;
}

/** The model's operations as WGSL kernels; each is in the file of its name. */
export function webgpuBackend(
  gpu: Gpu,
  { linear: name, attention, times }: WebgpuOptions = {},
): Backend<GpuTensor, GpuWeight> {
  const tuned: Tuned = (shape, form) => {
    const known = times?.get(linearKind(shape, form));
    return known && tunedKernels(gpu.traits, form, shape, known);
  };
  return {
    name: "webgpu",
    description: gpu.name,
    upload: (tensor) => {
      const dtype = tensor.dtype === "u32" ? "u32" : "f32";
      const uploaded = gpu.createTensor(tensor.shape, dtype);
      gpu.write(uploaded, dtype === "u32" ? tensor.data : asF32(tensor));
      return uploaded;
    },
    uploadLinear: uploadLinear(gpu, name, tuned),
    layerNorm: layerNorm(gpu),
    linear: linear(gpu),
    sanm: sanm(gpu, attention),
    causalFsmn: causalFsmn(gpu),
    convolve: convolve(gpu),
    relu: relu(gpu),
    widen: widen(gpu),
    gate: gate(gpu),
    context: context(gpu),
    statistics: statistics(gpu),
    ctcTopK: ctcTopK(gpu),
    ctcLogProbs: ctcLogProbs(gpu),
    scope: (record) => gpu.scope(record),
    inParts: (clips, record) => record(0, clips),
    release: (item) => gpu.release(item),
    read: (tensor) => gpu.read(tensor),
    clipsTogether: 16, // the largest patches of 1.5 s clips have 109 MB: less than the 128 MiB that every device can bind
    partsAhead: 8, // no GPU is so fast that it has to wait
    flush: () => gpu.flush(),
    prepare: (record) => gpu.prepare(record),
    memory: () => gpu.bytes,
    close: () => gpu.close(),
  };
}
