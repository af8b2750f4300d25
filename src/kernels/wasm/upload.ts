import { asF32 } from "../../tensor/f16.ts";
import type { HostTensor } from "../../tensor/host.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";

/** u32 numbers as they are, anything else in f32. */
export const upload =
  (device: WasmDevice) =>
  (tensor: HostTensor): WasmTensor =>
    tensor.dtype === "u32"
      ? device.upload(tensor.shape, "u32", tensor.data)
      : device.upload(tensor.shape, "f32", asF32(tensor));
