import { checkGate, checkWiden } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";

/** See assembly/gate.ts. */
export const widen =
  (device: WasmDevice) =>
  (x: WasmTensor, width: number): WasmTensor => {
    const [rows, d] = checkWiden(x, width);
    const wide = device.createTensor([rows, width]);
    device.record("widen", x, wide, rows, d, width);
    return wide;
  };

export const gate =
  (device: WasmDevice) =>
  (wide: WasmTensor, column: number, y: WasmTensor, gates: WasmTensor, clips: number, segment: number): WasmTensor => {
    const { d, length, segments } = checkGate(wide, column, y, gates, clips, segment);
    const first = { ...wide, pointer: wide.pointer + column * 4 };
    device.record("gate", first, wide.shape[1], y, gates, clips * length, d, length, segment, segments);
    return wide;
  };
