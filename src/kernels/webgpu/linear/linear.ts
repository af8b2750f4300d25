import type { LinearOptions, Norm } from "../../../tensor/backend.ts";
import type { Weight } from "../../../tensor/quantized.ts";
import { checkLinear, checkLinearWeight } from "../../checks.ts";
import type { Dispatch, Gpu, GpuTensor } from "../gpu.ts";
import { layerNormDispatch } from "../layerNorm.ts";
import { quantizeRowsDispatch } from "../quantizeRows.ts";
import { formOf, type GpuWeight, linearDispatch, type WeightForm } from "./kernel.ts";
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
    const y = gpu.createTensor([rows, n]);
    const input = inputDispatch(gpu, x, weight, options.norm);
    if (input) gpu.dispatch(input);
    gpu.dispatch(linearDispatch(input?.writes ?? [x], weight, options, y));
    for (const tensor of input?.writes ?? []) gpu.release(tensor);
    return y;
  };

/** The dispatch that writes what the weight's kernel reads in place of x: its layer norm, its int8 rows or both in one. */
export function inputDispatch(
  gpu: Gpu,
  x: GpuTensor,
  { activation }: GpuWeight,
  norm?: Norm<GpuTensor>,
): Dispatch | undefined {
  if (activation) return quantizeRowsDispatch(gpu, x, activation, norm);
  return norm && layerNormDispatch(x, norm, gpu.createTensor(x.shape));
}
