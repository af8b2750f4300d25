import type { Batch } from "../../tensor/backend.ts";
import { checkCausalFsmn, checkFsmn } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";

export const fsmn =
  (device: WasmDevice) =>
  (qkv: WasmTensor, taps: WasmTensor, batch: Batch<WasmTensor>, residual?: WasmTensor): WasmTensor => {
    const [rows, d, j] = checkFsmn(qkv, taps, batch, residual);
    const { offsets, lengths } = batch;
    return device.scope(() => {
      const y = device.createTensor([rows, d]);
      device.record("fsmn", qkv, taps, offsets, residual, y, lengths.length, d, j, device.scratch(64 * j));
      return y;
    });
  };

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
