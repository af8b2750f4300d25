import type { WasmDevice, WasmTensor } from "./device.ts";
import { MAX_TILE_ROWS } from "./linear.ts";
import type { WasmWeight } from "./weight.ts";

/** What assembly/quant works with: see there. */
const BLOCK = 48;
const CHUNK = 128;
const TILES = 4;
const PANEL = 8;
const TABLE_COLUMNS = 32;
const PARTS = 16;

/** A symmetric matrix [k, k], padded to [size, size], in panels of 8 columns (assembly/quant/gram.ts). */
export interface SquareOnDevice {
  readonly k: number;
  readonly size: number;
  readonly tensor: WasmTensor;
}

/** The factor L of a damped H with its rows and columns in another order. */
export interface FactorOnDevice {
  readonly lower: WasmTensor;
  /** u32 [size]. */
  readonly order: WasmTensor;
  /** f32: 1 if H was not positive definite. */
  readonly failed: WasmTensor;
}

/** What weights can be and what they are: assembly/quant/grid.ts. */
export interface GridOnDevice {
  readonly shape: readonly [n: number, k: number];
  readonly groupSize: number;
  /** u8 [n, k]. */
  readonly codes: WasmTensor;
  /** f32 [n, groups]. */
  readonly scales: WasmTensor;
  /** Rising; their number is a power of two. */
  readonly levels: WasmTensor;
  readonly description: WasmTensor;
}

/** How scales may move in `refine`. */
export type ScaleSteps = "stay" | "f32" | "f16";
const STEPS = { stay: 0, f32: 1, f16: 2 } as const;

/**
 * The operations of quantisation on the CPU's threads. Like the backend's they only record; matrices are f32 and
 * row-major unless said otherwise.
 */
export class QuantKernels {
  readonly device: WasmDevice;

  constructor(device: WasmDevice) {
    this.device = device;
  }

  /** Every `stride`-th row of a weight [n, k] in floats: [⌈n/stride⌉, k]. */
  unpack(weight: WasmWeight, stride = 1): WasmTensor {
    const [n, k] = weight.shape;
    return this.device.scope(() => {
      const out = this.device.createTensor([Math.ceil(n / stride), k]);
      this.device.record("unpackWeight", weight.description, n, stride, out, this.device.scratch(k * PANEL * 4));
      return out;
    });
  }

  /** Room for a symmetric matrix; its contents are undefined. */
  createSquare(k: number): SquareOnDevice {
    const size = Math.ceil(k / BLOCK) * BLOCK;
    return { k, size, tensor: this.device.createTensor([size, size]) };
  }

  /** A symmetric matrix [k, k] of the host's. */
  uploadSquare(values: Float64Array, k: number): SquareOnDevice {
    const size = Math.ceil(k / BLOCK) * BLOCK;
    const panels = new Float32Array(size * size);
    for (let row = 0, at = 0; row < k; row++) {
      for (let column = 0; column < k; column++, at++) panels[placeOf(row, column, size)] = values[at];
    }
    return { k, size, tensor: this.device.upload([size, size], "f32", panels) };
  }

  /** h (+)= xᵀ·x, in the blocks on and above the diagonal. */
  gram(x: WasmTensor, { k, size, tensor }: SquareOnDevice, accumulate: boolean): void {
    const [rows] = x.shape;
    const packed = this.device.createTensor([Math.ceil(rows / CHUNK), 2, size, CHUNK]);
    this.device.record("gram", x, rows, k, size, tensor, accumulate, packed);
    this.device.release(packed);
  }

  /** Copies what `gram` left above the diagonal to below it. */
  mirror({ size, tensor }: SquareOnDevice): void {
    this.device.record("mirror", tensor, size);
  }

  /** The diagonal of a square: [k]. */
  async diagonal({ k, size, tensor }: SquareOnDevice): Promise<Float32Array> {
    const out = this.device.createTensor([size]);
    this.device.record("diagonalOf", tensor, size, out);
    return (await this.#take(out)).subarray(0, k);
  }

  /** A square on the host: f64 [k, k]. */
  async readSquare({ k, size, tensor }: SquareOnDevice): Promise<Float64Array> {
    const panels = await this.device.read(tensor);
    return Float64Array.from({ length: k * k }, (_, at) => {
      return panels[placeOf(Math.floor(at / k), at % k, size)];
    });
  }

  /** L of H + damping·I = L·Lᵀ in the order `order` [k] of rows and columns. */
  cholesky({ k, size, tensor }: SquareOnDevice, order: Uint32Array, damping: number): FactorOnDevice {
    const { device } = this;
    const whole = Uint32Array.from({ length: size }, (_, i) => (i < k ? order[i] : i));
    const lower = device.createTensor([size, size]);
    const orders = device.upload([size], "u32", whole);
    const failed = device.createTensor([1]);
    const parts = [device.createTensor([size, size]), device.createTensor([BLOCK, size])];
    const scratch = device.scratch(BLOCK * PANEL * 4);
    device.record("cholesky", tensor, orders, bitsOf(damping), size, lower, ...parts, failed, scratch);
    for (const tensor of [...parts, scratch]) device.release(tensor);
    return { lower, order: orders, failed };
  }

  /** Codes and scales are undefined unless given. */
  createGrid(
    shape: readonly [n: number, k: number],
    groupSize: number,
    levels: Float32Array,
    { codes, scales }: { codes?: WasmTensor; scales?: WasmTensor } = {},
  ): GridOnDevice {
    const { device } = this;
    const [n, k] = shape;
    const groups = Math.ceil(k / groupSize);
    const middles = levels.map((level, i) => (i + 1 < levels.length ? (level + levels[i + 1]) / 2 : level));
    const grid = {
      ...{ shape, groupSize },
      codes: codes ?? device.createTensor([n, k], "u8"),
      scales: scales ?? device.createTensor([n, groups]),
      levels: device.upload([2, levels.length], "f32", Float32Array.from([...levels, ...middles])),
    };
    const fields = [n, k, grid.codes.pointer, grid.scales.pointer, groups, groupSize];
    const description = device.upload([8], "u32", Uint32Array.of(...fields, grid.levels.pointer, levels.length));
    return { ...grid, description };
  }

  /** The grid with other levels in place of its own. */
  replaceLevels(grid: GridOnDevice, levels: Float32Array): GridOnDevice {
    this.device.release(grid.levels);
    this.device.release(grid.description);
    return this.createGrid(grid.shape, grid.groupSize, levels, grid);
  }

  /** The grid with other scales in place of its own. */
  replaceScales(grid: GridOnDevice, levels: Float32Array, numbers: Float32Array): GridOnDevice {
    const scales = this.device.upload(grid.scales.shape, "f32", numbers);
    this.device.release(grid.scales);
    return this.replaceLevels({ ...grid, scales }, levels);
  }

  release(item: GridOnDevice | FactorOnDevice | SquareOnDevice): void {
    for (const value of Object.values(item)) {
      if (typeof value === "object" && "pointer" in value) this.device.release(value);
    }
  }

  fitScales(grid: GridOnDevice, weight: WasmTensor, levels: Float32Array, search: boolean, uniform: boolean): void {
    const mirrored = levels.every((level, i) => level === -levels[levels.length - 1 - i]);
    const half = grid.shape[1] > grid.groupSize;
    this.device.record("fitScales", grid.description, weight, search, mirrored, uniform, half);
  }

  /** The least and the largest w / scale. */
  async extent(grid: GridOnDevice, weight: WasmTensor): Promise<[low: number, high: number]> {
    const out = this.device.createTensor([PARTS, 2]);
    this.device.record("scaledExtent", grid.description, weight, out);
    const found = (await this.#take(out)).filter((x) => Number.isFinite(x));
    return [Math.min(...found), Math.max(...found)];
  }

  /** Σh, Σh·x and Σh·x² of x = w / scale in bins: [3, bins]. */
  async histogram(
    grid: GridOnDevice,
    weight: WasmTensor,
    importance: WasmTensor,
    [low, perBin]: readonly [low: number, perBin: number],
    bins: number,
  ): Promise<Float64Array> {
    const { device } = this;
    const range = device.upload([2], "f64", Float64Array.of(low, perBin));
    const out = device.createTensor([PARTS, 3, bins], "f64");
    device.record("scaledHistogram", grid.description, weight, importance, range, bins, out);
    device.release(range);
    return sumOfParts(await this.#takeDoubles(out), 3 * bins);
  }

  round(grid: GridOnDevice, weight: WasmTensor): void {
    this.device.record("roundRows", grid.description, weight);
  }

  gptq(grid: GridOnDevice, weight: WasmTensor, { lower, order }: FactorOnDevice): void {
    const size = lower.shape[0];
    const bytes = 4 * MAX_TILE_ROWS * (TILES * size + PANEL);
    const scratch = this.device.scratch(bytes);
    this.device.record("gptqRows", grid.description, weight, lower, order, size, scratch, bytes);
    this.device.release(scratch);
  }

  /** One pass over codes, then scales. */
  refine(grid: GridOnDevice, weight: WasmTensor, { size, tensor }: SquareOnDevice, damping: number, steps: ScaleSteps) {
    const bytes = 4 * MAX_TILE_ROWS * ((TILES + 1) * size + 2 * PANEL + 4);
    const scratch = this.device.scratch(bytes);
    const numbers = [bitsOf(damping), size, STEPS[steps]];
    this.device.record("refineRows", grid.description, weight, tensor, ...numbers, scratch, bytes);
    this.device.release(scratch);
  }

  /** The left side [count, count] and the right side [count] of the levels' least squares, one after the other. */
  async tableSums(
    grid: GridOnDevice,
    weight: WasmTensor,
    { k, size, tensor }: SquareOnDevice,
    damping: number,
    stride: number,
  ): Promise<Float64Array> {
    const [, count] = grid.levels.shape;
    const out = this.device.createTensor([Math.ceil(k / TABLE_COLUMNS), count * (count + 1)], "f64");
    const bytes = count * TABLE_COLUMNS * 4;
    const scratch = this.device.scratch(bytes);
    const numbers = [bitsOf(damping), size, stride];
    this.device.record("tableSums", grid.description, weight, tensor, ...numbers, out, scratch, bytes);
    this.device.release(scratch);
    return sumOfParts(await this.#takeDoubles(out), count * (count + 1));
  }

  rename(grid: GridOnDevice, ranks: Uint8Array): void {
    const map = this.device.upload([ranks.length], "u8", ranks);
    this.device.record("renameCodes", grid.description, map);
    this.device.release(map);
  }

  /** e·H·eᵀ of the errors of each row: [n]. */
  async outputErrors(grid: GridOnDevice, weight: WasmTensor, { size, tensor }: SquareOnDevice): Promise<Float32Array> {
    const out = this.device.createTensor([grid.shape[0]]);
    const bytes = 4 * MAX_TILE_ROWS * (TILES * size + PANEL + 2 * TILES);
    const scratch = this.device.scratch(bytes);
    this.device.record("outputErrors", grid.description, weight, tensor, size, out, scratch, bytes);
    this.device.release(scratch);
    return this.#take(out);
  }

  /** KL(softmax(a) ‖ softmax(b)) of each row of logits [rows, n], in nats. */
  async divergences(a: WasmTensor, b: WasmTensor): Promise<number[]> {
    const [rows, n] = a.shape;
    const out = this.device.createTensor([rows, 5], "f64");
    this.device.record("divergence", a, b, rows, n, out);
    const found = await this.#takeDoubles(out);
    return Array.from({ length: rows }, (_, row) => {
      const [maxA, maxB, sumA, sumB, dot] = found.subarray(row * 5, row * 5 + 5);
      return dot / sumA - (maxA - maxB) - Math.log(sumA / sumB);
    });
  }

  async #take(tensor: WasmTensor): Promise<Float32Array> {
    return this.device.read(tensor).finally(() => this.device.release(tensor));
  }

  async #takeDoubles(tensor: WasmTensor): Promise<Float64Array> {
    const bytes = await this.device.readBytes(tensor).finally(() => this.device.release(tensor));
    return new Float64Array(bytes.buffer);
  }
}

/** Where a square has a number. */
function placeOf(row: number, column: number, size: number): number {
  return (Math.floor(column / PANEL) * size + row) * PANEL + (column % PANEL);
}

/** The bits of an f32, as commands carry it. */
function bitsOf(x: number): number {
  return new Uint32Array(Float32Array.of(x).buffer)[0];
}

function sumOfParts(parts: Float64Array, count: number): Float64Array {
  const sums = new Float64Array(count);
  parts.forEach((value, i) => {
    sums[i % count] += value;
  });
  return sums;
}
