import type { Convolution, ConvolveOptions, Grid } from "../../tensor/backend.ts";
import { type ConvolveSizes, checkConvolve } from "../checks.ts";
import type { WasmDevice, WasmTensor } from "./device.ts";
import { FINISH_BYTES, GEOMETRY_FIELDS, PANEL } from "./formats.ts";
import { MAX_TILE_ROWS } from "./linear.ts";
import type { WasmWeight } from "./weight.ts";

/** Bytes of a block's patches: what a core's second cache holds beside panels of weights. */
const BLOCK_BYTES = 128 * 1024;
/** Blocks for each thread, where there are so many: none waits long for another at the end. */
const BLOCKS_A_THREAD = 4;
/** Lines of a block of places in int8: what a core's first cache holds beside a panel of weights. */
const MOST_LINES = 8;
/** Parts of a clip whose largest numbers are found by themselves. */
const PARTS = 16;

interface Call extends ConvolveSizes {
  readonly x: WasmTensor;
  readonly weight: WasmWeight;
  readonly convolution: Convolution;
  readonly grid: Grid;
  readonly options: ConvolveOptions<WasmTensor>;
  readonly y: WasmTensor;
  readonly description: WasmTensor;
  readonly geometry: WasmTensor;
  /** For a weight in int8 the largest magnitudes of x: [clips, PARTS]. */
  readonly maxima?: WasmTensor;
}

/** See assembly/convolve.ts and assembly/convolveInt8.ts. */
export const convolve =
  (device: WasmDevice) =>
  (
    x: WasmTensor,
    weight: WasmWeight,
    convolution: Convolution,
    grid: Grid,
    options: ConvolveOptions<WasmTensor> = {},
  ): WasmTensor => {
    const sizes = checkConvolve(x, weight, convolution, grid, options);
    const { rows, n, out } = sizes;
    const { channels, kernel, stride, dilation } = convolution;
    return device.scope(() => {
      const y = device.createTensor([rows, n], "f32", options.relu);
      const description = x.positive ? weight.descriptionForPositive : weight.description;
      const geometry = device.createTensor([GEOMETRY_FIELDS], "u32");
      const fields = [grid.height, grid.width, channels, ...kernel, ...stride, dilation, out.height, out.width];
      device.record("layGeometry", geometry, description, ...fields);
      const call = { x, weight, convolution, grid, options, ...sizes, y, description, geometry };
      if (weight.format !== "int8") convolvePatches(device, call);
      else {
        const maxima = device.createTensor([grid.clips, PARTS]);
        device.record("largest", x, maxima, grid.clips, grid.height * grid.width * channels, PARTS);
        const compute = weight.groups === 1 && channels % 32 === 0 && stride[1] <= 2 ? convolvePlaces : convolvePatches;
        compute(device, { ...call, maxima });
      }
      return y;
    });
  };

function convolvePatches(
  device: WasmDevice,
  { x, description, maxima, options: { bias, relu, residual }, y, geometry, rows, n, k }: Call,
): void {
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
    ...[x, description, maxima, PARTS, bias, relu, residual, y, geometry],
    ...[rows, n, block, tilesBytes, device.scratch(scratchBytes), scratchBytes],
  );
}

/** Places become whole numbers once, and are read where they lie. */
function convolvePlaces(
  device: WasmDevice,
  { x, description, maxima, convolution, grid, options: { bias, relu, residual }, y, geometry, n, k, out }: Call,
): void {
  const { channels, kernel, stride, dilation } = convolution;
  const { clips } = grid;
  const height = grid.height + dilation * (kernel[0] - 1);
  const width = grid.width + dilation * (kernel[1] - 1);
  const behind = 6 * stride[1]; // a last tile reads past the end
  const q = device.createTensor([(clips * height * width + behind) * channels * 2], "u8");
  device.record("quantizePlaces", x, description, maxima, PARTS, geometry, clips, q);
  const count = clips * out.height;
  const lines = Math.min(MOST_LINES, Math.ceil(count / (device.threads * BLOCKS_A_THREAD)));
  const panels = Math.ceil(n / PANEL);
  const together = count >= device.threads * BLOCKS_A_THREAD ? panels : Math.min(2, panels);
  const scratchBytes = FINISH_BYTES + 2 * PANEL * (MAX_TILE_ROWS + k) * 4;
  device.record(
    "convolveInt8",
    ...[q, description, maxima, PARTS, bias, relu, residual, y, geometry],
    ...[clips, n, lines, together, device.scratch(scratchBytes), scratchBytes],
  );
}
