import type { LinearOptions, Norm } from "../../tensor/backend.ts";
import type { Weight } from "../../tensor/quantized.ts";
import { checkLinear, checkLinearWeight } from "../checks.ts";
import type { Dispatch, Gpu, GpuTensor } from "./gpu.ts";
import { layerNormDispatch } from "./layerNorm.ts";
import { uploadCodes } from "./linearCodes.ts";
import { uploadFloats } from "./linearFloats.ts";
import { type GpuWeight, linearDispatch } from "./linearFrame.ts";
import { uploadInt8 } from "./linearInt8.ts";
import { quantizeRowsDispatch } from "./quantizeRows.ts";

/** Lays a weight out for the kernel that will read it: floats, codes that stand for floats, or int8 products. */
export const uploadLinear =
  (gpu: Gpu) =>
  (weight: Weight): GpuWeight => {
    checkLinearWeight(weight);
    if (weight.dtype !== "quantized") return uploadFloats(gpu, weight);
    return weight.activation ? uploadInt8(gpu, weight) : uploadCodes(gpu, weight);
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
