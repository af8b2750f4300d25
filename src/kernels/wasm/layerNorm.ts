import type { Norm } from "../../tensor/backend.ts";
import { checkLayerNorm } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";

/** See assembly/layerNorm.ts. */
export const layerNorm =
  (device: WasmDevice) =>
  (x: WasmTensor, { gamma, beta }: Norm<WasmTensor>): WasmTensor => {
    const [rows, d] = checkLayerNorm(x, { gamma, beta });
    const y = device.createTensor(x.shape);
    device.record("layerNorm", x, gamma, beta, y, rows, d);
    return y;
  };
