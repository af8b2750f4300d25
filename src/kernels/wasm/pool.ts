import { checkContext, checkStatistics } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";

/** See assembly/pool.ts. */
export const context =
  (device: WasmDevice) =>
  (x: WasmTensor, clips: number, segment: number): WasmTensor => {
    const { d, length, segments } = checkContext(x, clips, segment);
    const y = device.createTensor([clips * segments, d]);
    device.record("context", x, y, clips, d, length, segment, segments);
    return y;
  };

export const statistics =
  (device: WasmDevice) =>
  (x: WasmTensor, clips: number): WasmTensor => {
    const [length, d] = checkStatistics(x, clips);
    const y = device.createTensor([clips, 2 * d]);
    device.record("statistics", x, y, clips, d, length);
    return y;
  };
