import type { Batch, Sanm } from "../../../tensor/backend.ts";
import { checkSanm } from "../../checks.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";
import { memo } from "../memo.ts";
import type { Kernel } from "../pipelines.ts";
import type { DeviceTraits } from "../traits.ts";
import type { SanmKernel } from "./kernel.ts";
import { sanmKernelFor, sanmKernels } from "./kernels.ts";

const variantOf = memo(
  (kernel: SanmKernel, device: DeviceTraits, width: number, taps: number, residual: boolean): Kernel => {
    const wgsl = kernel.wgsl({ width, taps, residual }, device);
    /** Of clips of one length. */
    const work: Kernel["work"] = (_, [rows, d], clips) => {
      return { flop: (4 * rows * rows * d) / clips + 2 * rows * d * taps };
    };
    return { name: `sanm ${kernel.name}`, wgsl, reads: residual ? 5 : 4, writes: 2, work };
  },
);

/** `name` is the one kernel to use, if it is not to be chosen. */
export const sanm =
  (gpu: Gpu, name?: string) =>
  (qkv: GpuTensor, taps: GpuTensor, heads: number, batch: Batch<GpuTensor>, residual?: GpuTensor): Sanm<GpuTensor> => {
    const { rows, d, width, j } = checkSanm(qkv, taps, heads, batch, residual);
    const { offsets, lengths } = batch;
    const kernel = sanmKernelFor(sanmKernels(gpu.traits, width, name), heads, lengths);
    const [attended, memory] = [gpu.createTensor([rows, d]), gpu.createTensor([rows, d])];
    gpu.dispatch({
      kernel: variantOf(kernel, gpu.traits, width, j, residual !== undefined),
      params: [d, width],
      reads: residual ? [qkv, qkv, taps, offsets, residual] : [qkv, qkv, taps, offsets],
      writes: [attended, memory],
      workgroups: [Math.ceil(Math.max(...lengths) / kernel.queries), heads, lengths.length],
    });
    return { attended, memory };
  };
