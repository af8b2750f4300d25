import type { LinearOptions } from "../../../tensor/backend.ts";
import type { Weight } from "../../../tensor/quantized.ts";
import { checkLinear, checkLinearWeight } from "../../checks.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";
import { linearDispatch, sourceOf } from "./dispatch.ts";
import { formOf, type GpuWeight, kernelFor } from "./kernel.ts";
import { kernelsFor } from "./kernels.ts";

/** Lays a weight out for the kernels that will read it; `name` is the one kernel to use, if it is not to be chosen. */
export const uploadLinear =
  (gpu: Gpu, name?: string) =>
  (weight: Weight): GpuWeight => {
    checkLinearWeight(weight);
    const form = formOf(weight);
    const kernels = kernelsFor(gpu.traits, form, name);
    const activation = weight.dtype === "quantized" ? weight.activation : undefined;
    const tensors = kernels[0].layout.upload(gpu, weight);
    return { shape: weight.shape, form, device: gpu.traits, kernels, tensors, activation };
  };

export const linear =
  (gpu: Gpu) =>
  (x: GpuTensor, weight: GpuWeight, options: LinearOptions<GpuTensor> = {}): GpuTensor => {
    const [rows, n] = checkLinear(x, weight, options);
    const y = gpu.createTensor([rows, n]);
    const kernel = kernelFor(weight, rows);
    const source = sourceOf(gpu, kernel, x, weight, options);
    if (source.made) gpu.dispatch(source.made);
    gpu.dispatch(linearDispatch(kernel, source, weight, options, y, { first: 0, count: rows }));
    for (const tensor of source.made?.writes ?? []) gpu.release(tensor);
    return y;
  };
