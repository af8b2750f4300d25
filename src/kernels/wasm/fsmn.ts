import { checkFsmn } from "../checks.ts";
import type { WasmSegments } from "./attention.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";

export const fsmn =
  (device: WasmDevice) =>
  (qkv: WasmTensor, taps: WasmTensor, segments: WasmSegments, residual?: WasmTensor): WasmTensor => {
    const [rows, d, j] = checkFsmn(qkv, taps, segments, residual);
    const { offsets, lengths } = segments;
    return device.scope(() => {
      const y = device.createTensor([rows, d]);
      device.record("fsmn", qkv, taps, offsets, residual, y, lengths.length, d, j, device.scratch(64 * j));
      return y;
    });
  };
