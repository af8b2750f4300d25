import { SenseVoiceError } from "../../../error.ts";
import type { DeviceTraits } from "../traits.ts";
import { CODES_TILES } from "./codes.ts";
import { INT8_TILES } from "./int8.ts";
import { INT8_MATRICES } from "./int8Matrix.ts";
import type { LinearKernel, WeightForm } from "./kernel.ts";
import { FLOAT_MATRICES } from "./matrix.ts";
import { plain } from "./plain.ts";
import { FLOAT_TILES } from "./tile.ts";

/** Every way to compute `linear`, from plain to best; of one kind small tiles come first. */
export const LINEAR_KERNELS: readonly LinearKernel[] = [
  plain,
  ...FLOAT_TILES,
  ...CODES_TILES,
  ...INT8_TILES,
  ...FLOAT_MATRICES,
  ...INT8_MATRICES,
];

/**
 * The kernels for weights of a form: the best one, and its kin that read the same layout. Devices in software take the plain one,
 * which is the fastest there.
 *
 * @param name the one kernel to use, tried or not
 * @throws SenseVoiceError if there is no such kernel, or it cannot run
 */
export function kernelsFor(device: DeviceTraits, form: WeightForm, name?: string): readonly LinearKernel[] {
  if (name !== undefined) {
    const named = LINEAR_KERNELS.find((kernel) => kernel.name === name);
    if (!named) {
      const names = LINEAR_KERNELS.map((kernel) => kernel.name).join(", ");
      throw new SenseVoiceError(`[linear] kernel: expected one of ${names}, got ${JSON.stringify(name)}`);
    }
    if (!named.supports(device, form)) {
      throw new SenseVoiceError(`[linear] kernel ${name}: not for ${JSON.stringify(form)} on this device`);
    }
    return [named];
  }
  if (device.software) return [plain];
  const able = ableKernels(device, form);
  const best = able[able.length - 1];
  return able.filter((kernel) => kernel.layout === best.layout && kernel.matrix === best.matrix);
}

/** All kernels that may be taken for weights of a form; products of matrices only if they are proven. */
export function ableKernels(device: DeviceTraits, form: WeightForm): readonly LinearKernel[] {
  return LINEAR_KERNELS.filter((kernel) => {
    return kernel.supports(device, form) && (!kernel.matrix || device.proven.includes(kernel.matrix));
  });
}
