import type { LinearOptions } from "../../tensor/backend.ts";
import type { Weight } from "../../tensor/quantized.ts";
import { checkLinear, checkLinearWeight } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { FINISH_BYTES, PANEL } from "./formats.ts";
import { uploadCodes } from "./linearCodes.ts";
import { uploadFloats } from "./linearFloats.ts";
import type { WasmWeight } from "./weight.ts";

/** The most rows that a tile has; it has 4, 6 or 12 (assembly/tile.ts). */
export const MAX_TILE_ROWS = 12;
const WHOLE_TILES = 12;

/** Lays a weight out for the kernel that will read it: floats, codes that stand for floats, or int8 products. */
export const uploadLinear =
  (device: WasmDevice) =>
  (weight: Weight): WasmWeight => {
    checkLinearWeight(weight);
    const uploaded = weight.dtype === "quantized" ? uploadCodes(device, weight) : uploadFloats(device, weight);
    device.flush().catch(() => {}); // packing goes on while the next weight is read
    return uploaded;
  };

export const linear =
  (device: WasmDevice) =>
  (x: WasmTensor, weight: WasmWeight, options: LinearOptions<WasmTensor> = {}): WasmTensor => {
    const [rows, n, k] = checkLinear(x, weight, options);
    const { norm, rectify, bias, relu, residual } = options;
    return device.scope(() => {
      const y = device.createTensor([rows, n], "f32", relu, weight.format === "int8");
      const positive = rectify !== undefined || (x.positive && !norm);
      const description = positive ? weight.descriptionForPositive : weight.description;
      const packed = packRows(device, x, { ...weight, description }, rows, options);
      const scratchBytes = FINISH_BYTES + 2 * PANEL * (MAX_TILE_ROWS + k) * 4;
      const scratch = device.scratch(scratchBytes);
      device.record("linear", ...[packed, description, bias, relu, residual, y], ...[rows, n, scratch, scratchBytes]);
      return y;
    });
  };

/**
 * `rows` rows of x from `firstRow` on, normalised or rectified if that is asked for, in the order in which the weight's inner loop
 * reads them; for an int8 weight as whole numbers with a scale each.
 */
export function packRows(
  device: WasmDevice,
  x: WasmTensor,
  { format, shape, description }: WasmWeight,
  rows: number,
  { norm, rectify }: LinearOptions<WasmTensor> = {},
  firstRow = 0,
): WasmTensor {
  const k = shape[1];
  const { gamma, beta } = rectify ?? norm ?? {};
  const width = rectify && x.shape[1];
  const tiled = Math.ceil(rows / WHOLE_TILES) * WHOLE_TILES;
  if (format === "int8") {
    const packed = device.createTensor([tiled, 16 + 2 * k], "u8");
    const scratch = device.scratch(k * 4);
    device.record("quantizeRows", ...[x, description, firstRow, gamma, beta, packed, rows, scratch, width]);
    return packed;
  }
  const packed = device.createTensor([tiled, k]);
  const scratch = device.scratch(MAX_TILE_ROWS * k * 4);
  device.record("packRows", ...[x, firstRow, gamma, beta, packed, rows, k, scratch, width]);
  return packed;
}
