import type { Convolution, ConvolveOptions, Grid } from "../../tensor/backend.ts";
import { checkConvolve } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { FINISH_BYTES, PANEL } from "./formats.ts";
import { MAX_TILE_ROWS } from "./linear.ts";
import type { WasmWeight } from "./weight.ts";

/** Bytes of a block's patches: what a core's second cache holds beside panels of weights. */
const BLOCK_BYTES = 128 * 1024;
/** Blocks for each thread, where there are so many: none waits long for another at the end. */
const BLOCKS_A_THREAD = 4;

/** See assembly/convolve.ts. */
export const convolve =
  (device: WasmDevice) =>
  (
    x: WasmTensor,
    weight: WasmWeight,
    convolution: Convolution,
    grid: Grid,
    options: ConvolveOptions<WasmTensor> = {},
  ): WasmTensor => {
    const { rows, n, k, out } = checkConvolve(x, weight, convolution, grid, options);
    const { bias, relu, residual } = options;
    const { channels, kernel, stride, dilation } = convolution;
    return device.scope(() => {
      const y = device.createTensor([rows, n], "f32", relu && !residual);
      const geometry = Uint32Array.of(
        ...[grid.height, grid.width, channels, ...kernel, ...stride, dilation, out.height, out.width],
      );
      const description = x.positive ? weight.descriptionForPositive : weight.description;
      const tiles = Math.max(
        1,
        Math.min(
          Math.floor(BLOCK_BYTES / (MAX_TILE_ROWS * k * 4)),
          Math.ceil(rows / (MAX_TILE_ROWS * device.threads * BLOCKS_A_THREAD)),
        ),
      );
      const block = tiles * MAX_TILE_ROWS;
      const tilesBytes = block * (k * 4 + 16);
      const scratchBytes = FINISH_BYTES + 2 * PANEL * (MAX_TILE_ROWS + k) * 4 + MAX_TILE_ROWS * k * 4 + tilesBytes;
      device.record(
        "convolve",
        ...[x, description, bias, relu, residual, y, device.upload([geometry.length], "u32", geometry)],
        ...[rows, n, block, tilesBytes, device.scratch(scratchBytes), scratchBytes],
      );
      return y;
    });
  };
