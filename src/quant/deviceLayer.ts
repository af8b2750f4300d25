import type { WasmTensor } from "../kernels/wasm/device.ts";
import type { FactorOnDevice, GridOnDevice, QuantKernels, SquareOnDevice } from "../kernels/wasm/quantKernels.ts";
import { dequantize, packCodes, type QuantizedTensor } from "../tensor/quantized.ts";
import { KMEANS_ROUNDS, ruleTable, startRange, storedScales } from "./fitGrid.ts";
import { actOrder, dampingOf } from "./gptq.ts";
import { entryStore, uniformLevels } from "./grid.ts";
import { BINS, centresOf } from "./kmeans.ts";
import { outputError, ROUNDS, solveTable, tableStride } from "./learn.ts";
import { activationOf, importanceOf, type QuantizeOptions, quantizeTensor } from "./quantize.ts";
import type { Scheme } from "./scheme.ts";
import { createSizes, notFinite, type Sizes } from "./statistics.ts";

/** What calibration found out about a layer's inputs. */
export interface Heard {
  /** XᵀX; none if no scheme looks at it. */
  readonly hessian?: SquareOnDevice;
  readonly sizes?: Sizes;
}

/** What the kernels know of schemes, by field: a scheme with other fields or values goes through quantizeTensor. */
const KNOWN: Readonly<Record<string, readonly unknown[] | undefined>> = {
  bits: [2, 3, 4, 5, 6, 7, 8],
  values: ["uniform", "table"],
  granularity: ["channel", "group"],
  groupSize: [32, 64, 128],
  symmetric: [true],
  scale: ["max", "mse"],
  scaleBits: [8],
  table: ["nf4", "power-of-two", "kmeans", "learned"],
  compensate: ["gptq"],
  activation: ["dynamic", "static"],
};

/** A grid on the device with its levels on the host. */
interface Chosen {
  grid: GridOnDevice;
  levels: Float32Array;
}

/**
 * A linear layer's weight [n, k] on the CPU's threads, to be put into few bits. The kernels do what quantizeTensor does,
 * in f32; schemes that they do not know go through quantizeTensor.
 */
export class DeviceLayer {
  readonly name: string;
  readonly shape: readonly [n: number, k: number];
  readonly #kernels: QuantKernels;
  readonly #weight: WasmTensor;
  readonly #heard: Heard;
  readonly #diagonal: Promise<Float64Array> | undefined;
  #factor: Promise<FactorOnDevice | undefined> | undefined;

  /** Owns the weight until it is released; `heard` is the caller's. */
  constructor(kernels: QuantKernels, name: string, weight: WasmTensor, heard: Heard = {}) {
    this.name = name;
    this.shape = [weight.shape[0], weight.shape[1]];
    this.#kernels = kernels;
    this.#weight = weight;
    this.#heard = heard;
    this.#diagonal = heard.hessian && readDiagonal(kernels, heard.hessian);
    this.#diagonal?.catch(() => {}); // whoever awaits it gets the error
  }

  async release(): Promise<void> {
    const factor = await this.#factor?.catch(() => undefined);
    if (factor) this.#kernels.release(factor);
    this.#kernels.device.release(this.#weight);
  }

  /** See quantizeTensor. */
  async quantize(scheme: Scheme, shared?: QuantizeOptions["shared"]): Promise<QuantizedTensor> {
    if (!(await this.#can(scheme))) return this.#onHost(scheme, shared);
    const chosen = await this.#choose(scheme);
    const { device } = this.#kernels;
    try {
      const [codes, scales] = [await device.readBytes(chosen.grid.codes), await device.read(chosen.grid.scales)];
      const { bits, values } = scheme;
      return {
        ...{ dtype: "quantized", shape: this.shape, bits, groupSize: chosen.grid.groupSize, scales },
        ...(values === "table" && { tables: chosen.levels }),
        codes: packCodes(codes, this.shape, bits),
        ...activationOf(scheme, this.#heard.sizes),
      };
    } finally {
      this.#kernels.release(chosen.grid);
    }
  }

  /** tr((W − Ŵ)·H·(W − Ŵ)ᵀ) of a scheme. */
  async errorOf(scheme: Scheme): Promise<number> {
    const { hessian } = this.#heard;
    if (!hessian) throw new Error(`${this.name} was not calibrated`);
    if (!(await this.#can(scheme))) {
      const h = await this.#kernels.readSquare(hessian);
      const weight = await this.#kernels.device.read(this.#weight);
      return outputError(dequantize(await this.#onHost(scheme)), weight, h, this.shape);
    }
    const { grid } = await this.#choose(scheme);
    try {
      const errors = await this.#kernels.outputErrors(grid, this.#weight, hessian);
      return errors.reduce((sum, error) => sum + error, 0);
    } finally {
      this.#kernels.release(grid);
    }
  }

  /** Whether the kernels can do it: they know the scheme, and f32 is enough for the factor of XᵀX. */
  async #can(scheme: Scheme): Promise<boolean> {
    return this.#knows(scheme) && (!compensates(scheme) || (await this.#factored()) !== undefined);
  }

  #knows(scheme: Scheme): boolean {
    const fields = Object.entries(scheme).filter(([, value]) => value !== undefined);
    if (!fields.every(([field, value]) => KNOWN[field]?.includes(value))) return false;
    if (scheme.table !== "kmeans" && scheme.table !== "learned") return true;
    // Of fewer values k-means counts each; a table for each channel is fitted without scales.
    const scaled = scheme.granularity === "group" || scheme.activation !== undefined;
    return scaled && this.shape[0] * this.shape[1] > BINS;
  }

  async #onHost(scheme: Scheme, shared?: QuantizeOptions["shared"]): Promise<QuantizedTensor> {
    const { hessian, sizes = createSizes() } = this.#heard;
    const [, k] = this.shape;
    const h = hessian ? await this.#kernels.readSquare(hessian) : new Float64Array(k * k);
    const statistics = { k, rows: 0, hessian: h, ...sizes };
    const weight = await this.#kernels.device.read(this.#weight);
    return quantizeTensor(weight, this.shape, scheme, { name: this.name, statistics, shared });
  }

  /** Scales, levels and codes of a scheme. The grid is the caller's. */
  async #choose(scheme: Scheme): Promise<Chosen> {
    const kernels = this.#kernels;
    const chosen = await this.#fit(scheme);
    try {
      if (scheme.scaleBits) {
        const scales = await kernels.device.read(chosen.grid.scales);
        const stored = storedScales(scales, this.shape[0], scheme);
        chosen.grid = kernels.replaceScales(chosen.grid, chosen.levels, stored);
      }
      const factor = compensates(scheme) ? await this.#factored() : undefined;
      if (factor) kernels.gptq(chosen.grid, this.#weight, factor);
      else kernels.round(chosen.grid, this.#weight);
      if (scheme.table === "learned") await this.#learn(chosen, scheme);
      return chosen;
    } catch (error) {
      kernels.release(chosen.grid);
      throw error;
    }
  }

  /** fitGrid. */
  async #fit(scheme: Scheme): Promise<Chosen> {
    const kernels = this.#kernels;
    const [, k] = this.shape;
    const { bits, values, groupSize = k } = scheme;
    const search = scheme.scale === "mse";
    const fixed = values === "uniform" ? uniformLevels(bits) : ruleTable(scheme);
    const start = fixed ?? startRange(scheme);
    const chosen = { grid: kernels.createGrid(this.shape, groupSize, start), levels: start };
    kernels.fitScales(chosen.grid, this.#weight, start, search && fixed !== undefined, values === "uniform");
    if (fixed) return chosen;
    const importance = kernels.device.upload([k], "f32", importanceOf(await this.#diagonalOr(k)));
    try {
      for (let round = 0; round < (search ? KMEANS_ROUNDS : 1); round++) {
        if (round > 0) kernels.fitScales(chosen.grid, this.#weight, chosen.levels, true, false);
        this.#put(chosen, await this.#centres(chosen.grid, importance, 2 ** bits));
      }
      this.#put(chosen, chosen.levels.map(entryStore(scheme)));
      return chosen;
    } catch (error) {
      kernels.release(chosen.grid);
      throw error;
    } finally {
      kernels.device.release(importance);
    }
  }

  /** k-means of the scaled weights. */
  async #centres(grid: GridOnDevice, importance: WasmTensor, count: number): Promise<Float32Array> {
    const [low, high] = await this.#kernels.extent(grid, this.#weight);
    const range = [low, high > low ? BINS / (high - low) : 0] as const;
    const sums = await this.#kernels.histogram(grid, this.#weight, importance, range, BINS);
    const [mass, first, second] = [0, 1, 2].map((i) => sums.subarray(i * BINS, (i + 1) * BINS));
    return centresOf({ mass, first, second }, count);
  }

  /** learn. */
  async #learn(chosen: Chosen, scheme: Scheme): Promise<void> {
    const { hessian } = this.#heard;
    if (!hessian) throw new Error(`${this.name} was not calibrated`);
    const kernels = this.#kernels;
    const damping = dampingOf(await this.#diagonalOr(0));
    const steps = this.shape[1] > chosen.grid.groupSize ? "f16" : "f32";
    const size = chosen.levels.length;
    for (let round = 0; round < ROUNDS; round++) {
      kernels.refine(chosen.grid, this.#weight, hessian, damping, steps);
      const stride = tableStride(this.shape[0]);
      const sums = await kernels.tableSums(chosen.grid, this.#weight, hessian, damping, stride);
      const levels = chosen.levels.slice();
      const ranks = solveTable(sums.subarray(0, size * size), sums.subarray(size * size), levels, entryStore(scheme));
      if (ranks.some((rank, code) => rank !== code)) kernels.rename(chosen.grid, ranks);
      this.#put(chosen, levels);
    }
    kernels.refine(chosen.grid, this.#weight, hessian, damping, steps);
  }

  #put(chosen: Chosen, levels: Float32Array): void {
    chosen.grid = this.#kernels.replaceLevels(chosen.grid, levels);
    chosen.levels = levels;
  }

  /** The diagonal of the Hessian; all equal without one. */
  async #diagonalOr(k: number): Promise<Float64Array> {
    return this.#diagonal ?? new Float64Array(k);
  }

  async #factored(): Promise<FactorOnDevice | undefined> {
    this.#factor ??= this.#makeFactor();
    return this.#factor;
  }

  async #makeFactor(): Promise<FactorOnDevice | undefined> {
    const { hessian } = this.#heard;
    if (!hessian) throw new Error(`${this.name} was not calibrated`);
    const diagonal = await this.#diagonalOr(0);
    const factor = this.#kernels.cholesky(hessian, actOrder(diagonal), dampingOf(diagonal));
    const [failed] = await this.#kernels.device.read(factor.failed);
    if (failed === 0) return factor;
    this.#kernels.release(factor);
    return undefined;
  }
}

function compensates({ table, compensate }: Scheme): boolean {
  return compensate === "gptq" || table === "learned";
}

/** @throws SenseVoiceError if an input was NaN or ∞ */
async function readDiagonal(kernels: QuantKernels, hessian: SquareOnDevice): Promise<Float64Array> {
  const diagonal = Float64Array.from(await kernels.diagonal(hessian));
  for (const h of diagonal) if (!Number.isFinite(h)) throw notFinite(h);
  return diagonal;
}
