import type { LinearOptions, LinearWeight } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import { dequantize, type Weight } from "../../tensor/quantized.ts";
import { checkLinear, checkLinearWeight } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import type { WasmNorm } from "./layerNorm.ts";

/** Columns of a panel of weights (assembly/tile.ts). */
export const PANEL = 8;
/** The most rows that a tile has; it has 4 or 6 (assembly/tile.ts). */
export const MAX_TILE_ROWS = 6;
const WHOLE_TILES = 12;
/** Columns of a task (assembly/linear.ts). */
const COLUMNS = 32;

/** A weight [N, K] in panels of eight columns: [⌈N/8⌉, K, 8]. */
export interface WasmWeight extends LinearWeight {
  readonly panels: WasmTensor;
}

/** f16 weights stay what they are, and become f32 a few panels at a time as they are used; all others are f32. */
export const uploadLinear =
  (device: WasmDevice) =>
  (weight: Weight): WasmWeight => {
    const [n, k] = checkLinearWeight(weight);
    const shape = [Math.ceil(n / PANEL), k, PANEL];
    const panels =
      weight.dtype === "f16"
        ? device.uploadWeight(shape, "f16", weight.data)
        : device.uploadWeight(
            shape,
            "f32",
            weight.dtype === "quantized" ? dequantize(weight) : asF32(weight),
          );
    device.scope(() => {
      device.record("packWeight", panels, isHalf(panels), n, k, device.scratch(PANEL * k * 4));
      return panels;
    });
    device.flush(); // packing goes on while the next weight is read
    return { shape: [n, k], panels };
  };

export const linear =
  (device: WasmDevice) =>
  (x: WasmTensor, weight: WasmWeight, options: WasmLinearOptions = {}): WasmTensor => {
    const [rows, n, k] = checkLinear(x, weight, options);
    const { norm, bias, relu, residual } = options;
    return device.scope(() => {
      const y = device.createTensor([rows, n]);
      const packed = packRows(device, x, rows, norm);
      const scratchBytes = COLUMNS * (MAX_TILE_ROWS + k) * 4;
      const scratch = device.scratch(scratchBytes);
      device.record(
        "linear",
        ...[packed, weight.panels, isHalf(weight.panels), bias, relu, residual, y],
        ...[rows, n, k, scratch, scratchBytes],
      );
      return y;
    });
  };

export function isHalf(panels: WasmTensor): boolean {
  return panels.dtype === "f16";
}

/** `rows` rows of x from `firstRow` on, normalised if a norm is given, in the order in which the inner loop reads. */
export function packRows(
  device: WasmDevice,
  x: WasmTensor,
  rows: number,
  norm?: WasmNorm,
  firstRow = 0,
): WasmTensor {
  const k = x.shape[1];
  const packed = device.createTensor([Math.ceil(rows / WHOLE_TILES) * WHOLE_TILES, k]);
  const scratch = device.scratch(MAX_TILE_ROWS * k * 4);
  device.record("packRows", x, firstRow, norm?.gamma, norm?.beta, packed, rows, k, scratch);
  return packed;
}

interface WasmLinearOptions extends LinearOptions {
  readonly norm?: WasmNorm;
  readonly bias?: WasmTensor;
  readonly residual?: WasmTensor;
}
