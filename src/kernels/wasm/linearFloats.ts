import { asF32 } from "../../tensor/f16.ts";
import type { HostTensor } from "../../tensor/host.ts";
import type { WasmDevice } from "./device.ts";
import { PANEL } from "./formats.ts";
import { describeWeight, type WasmWeight } from "./weight.ts";

/** f16 weights stay what they are, and become f32 a few panels at a time as they are used; others are f32. */
export function uploadFloats(device: WasmDevice, weight: HostTensor): WasmWeight {
  const [n, k] = weight.shape;
  const format = weight.dtype === "f16" ? "f16" : "f32";
  const data = format === "f16" ? weight.data : asF32(weight);
  const panels = device.uploadWeight([Math.ceil(n / PANEL), k, PANEL], format, data);
  device.scope(() => {
    device.record("packWeight", panels, format === "f16", n, k, device.scratch(PANEL * k * 4));
    return panels;
  });
  return describeWeight(device, format, [n, k], panels);
}
