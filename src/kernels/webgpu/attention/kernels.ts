import { SenseVoiceError } from "../../../error.ts";
import { memo } from "../memo.ts";
import type { DeviceTraits } from "../traits.ts";
import type { SanmKernel } from "./kernel.ts";
import { MATRICES } from "./matrix.ts";
import { plain } from "./plain.ts";
import { tile } from "./tile.ts";

/** From plain to best; of one kind those of few queries come first. */
const KINDS: readonly (readonly SanmKernel[])[] = [[plain], [tile], MATRICES];

/** Every way to compute `sanm`. */
export const SANM_KERNELS: readonly SanmKernel[] = KINDS.flat();

/**
 * The kernels for heads of `width` columns: those of the best kind that the device can run. Devices in software take the
 * plain one, which is as fast there as a tile and compiles sooner.
 *
 * @param name the one kernel to use, tried or not
 * @throws SenseVoiceError if there is no such kernel, or it cannot run
 */
export const sanmKernels = memo(
  (device: DeviceTraits, width: number, name: string | undefined): readonly SanmKernel[] => {
    if (name !== undefined) {
      const named = SANM_KERNELS.find((kernel) => kernel.name === name);
      if (!named) {
        const names = SANM_KERNELS.map((kernel) => kernel.name).join(", ");
        throw new SenseVoiceError(`[sanm] kernel: expected one of ${names}, got ${JSON.stringify(name)}`);
      }
      if (!named.supports(device, width)) {
        throw new SenseVoiceError(`[sanm] kernel ${name}: not for heads of ${width} columns on this device`);
      }
      return [named];
    }
    if (device.software) return [plain];
    const able = ({ supports, matrix }: SanmKernel) => {
      return supports(device, width) && (!matrix || device.proven.includes(matrix));
    };
    return KINDS.map((kernels) => kernels.filter(able)).findLast((kernels) => kernels.length > 0) ?? [plain];
  },
);

/** Workgroups that keep the widest of GPUs busy. */
const FILL = 64;

/** The kernel with the most queries a workgroup that leaves no part of the GPU idle with clips of these lengths. */
export function sanmKernelFor(kernels: readonly SanmKernel[], heads: number, lengths: readonly number[]): SanmKernel {
  for (let i = kernels.length - 1; i > 0; i--) {
    let workgroups = 0;
    for (const length of lengths) workgroups += heads * Math.ceil(length / kernels[i].queries);
    if (workgroups >= FILL) return kernels[i];
  }
  return kernels[0];
}
