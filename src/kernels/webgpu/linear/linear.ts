import type { LinearOptions } from "../../../tensor/backend.ts";
import type { Weight } from "../../../tensor/quantized.ts";
import { checkLinear, checkLinearWeight } from "../../checks.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";
import { relu } from "../relu.ts";
import { linearDispatch, sourceOf } from "./dispatch.ts";
import { formOf, type GpuWeight, kernelFor, type WeightForm } from "./kernel.ts";
import { kernelsFor } from "./kernels.ts";

/** Kernels that were found to be the fastest for a weight, of one layout; undefined where nothing is known. */
export type Tuned = (shape: readonly number[], form: WeightForm) => Pick<GpuWeight, "kernels" | "choose"> | undefined;

/**
 * Lays a weight out for the kernels that will read it.
 *
 * @param name the one kernel to use, if it is not to be chosen
 */
export const uploadLinear =
  (gpu: Gpu, name?: string, tuned?: Tuned) =>
  (weight: Weight): GpuWeight => {
    checkLinearWeight(weight);
    const form = formOf(weight);
    const chosen = tuned?.(weight.shape, form) ?? { kernels: kernelsFor(gpu.traits, form, name) };
    const activation = weight.dtype === "quantized" ? weight.activation : undefined;
    const tensors = chosen.kernels[0].layout.upload(gpu, weight);
    return { shape: weight.shape, form, device: gpu.traits, ...chosen, tensors, activation };
  };

export const linear =
  (gpu: Gpu) =>
  (x: GpuTensor, weight: GpuWeight, options: LinearOptions<GpuTensor> = {}): GpuTensor => {
    const [rows, n] = checkLinear(x, weight, options);
    const { rectify, ...rest } = options;
    if (rectify) return gpu.scope(() => linear(gpu)(relu(gpu)(x, rectify), weight, rest));
    const y = gpu.createTensor([rows, n]);
    const kernel = kernelFor(weight, rows);
    const source = sourceOf(gpu, kernel, x, weight, options);
    if (source.made) gpu.dispatch(source.made);
    gpu.dispatch(linearDispatch(kernel, source, weight, options, y, { first: 0, count: rows }));
    for (const tensor of source.made?.writes ?? []) gpu.release(tensor);
    return y;
  };
