import type { Batch, Sanm } from "../../tensor/backend.ts";
import { checkSanm } from "../checks.ts";
import { attention } from "./attention.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { fsmn } from "./fsmn.ts";

export const sanm =
  (device: WasmDevice) =>
  (
    qkv: WasmTensor,
    taps: WasmTensor,
    heads: number,
    batch: Batch<WasmTensor>,
    residual?: WasmTensor,
  ): Sanm<WasmTensor> => {
    const sizes = checkSanm(qkv, taps, heads, batch, residual);
    return {
      attended: attention(device, qkv, heads, batch, sizes),
      memory: fsmn(device, qkv, taps, batch, residual, sizes),
    };
  };
