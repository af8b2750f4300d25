import type { Norm } from "../../tensor/backend.ts";
import { checkRelu } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";

/** See assembly/relu.ts. */
export const relu =
  (device: WasmDevice) =>
  (x: WasmTensor, norm?: Norm<WasmTensor>): WasmTensor => {
    const [rows, d, width] = checkRelu(x, norm);
    const y = device.createTensor([rows, d], "f32", true);
    device.record("relu", x, norm?.gamma, norm?.beta, y, rows, d, width);
    return y;
  };
