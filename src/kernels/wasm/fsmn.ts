import type { Batch } from "../../tensor/backend.ts";
import { checkCausalFsmn, type SanmSizes } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";

export function fsmn(
  device: WasmDevice,
  qkv: WasmTensor,
  taps: WasmTensor,
  { offsets, lengths }: Batch<WasmTensor>,
  residual: WasmTensor | undefined,
  { rows, d, j }: SanmSizes,
): WasmTensor {
  return device.scope(() => {
    const y = device.createTensor([rows, d]);
    device.record("fsmn", qkv, taps, offsets, residual, y, lengths.length, d, j, device.scratch(64 * (j + 2)));
    return y;
  });
}

export const causalFsmn =
  (device: WasmDevice) =>
  (x: WasmTensor, taps: WasmTensor, history: WasmTensor): WasmTensor => {
    const [rows, d, j] = checkCausalFsmn(x, taps, history);
    return device.scope(() => {
      const y = device.createTensor([rows, d]);
      device.record("causalFsmn", x, taps, history, y, rows, d, j, device.scratch(64 * j));
      return y;
    });
  };
