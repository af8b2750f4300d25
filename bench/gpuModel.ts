/**
 * What a clip of 11 s should take on GPUs that were not at hand: a model, not a measurement. `npx tsx bench/gpuModel.ts`.
 *
 * The dispatches are the program's own, recorded on a device that only counts, with the kernels that it would choose by
 * rule. One takes the longest of its arithmetic and its bytes, and GAP for beginning once the one before has ended:
 *
 *     t = max(flop / (peak · EFFICIENCY · fill), bytes / bandwidth) + GAP,  fill = w / (⌈w / units⌉ · units) of w workgroups
 */
import { randomModelConfig } from "../scripts/random-weights.ts";
import type { Dispatch, GpuTensor } from "../src/kernels/webgpu/gpu.ts";
import { type DeviceTraits, PLAIN_TRAITS } from "../src/kernels/webgpu/traits.ts";
import { BYTES_PER_ELEMENT, elementCount } from "../src/tensor/host.ts";
import { dispatchesOf, WEIGHTS } from "../test/support/countingGpu.ts";

/** Rows of features of 11 s. */
const ROWS = 183;
/** Share of the peak that a kernel reaches when it fills the GPU; what a dispatch costs besides. Both assumed. */
const EFFICIENCY = 0.5;
const GAP = 3e-6;

interface Card {
  readonly traits: DeviceTraits;
  /** Multiprocessors, compute units, cores. */
  readonly units: number;
  /** Operations a second by the makers' data sheets, dense; bytes a second. */
  readonly f32: number;
  readonly dot: number;
  readonly f16Matrix: number;
  readonly int8Matrix: number;
  readonly bandwidth: number;
}

const able: DeviceTraits = { ...PLAIN_TRAITS, f16: true, int8Dot: true, workgroupBytes: 32768 };
const of16 = { m: 16, n: 16, k: 16 };
const of8 = { m: 8, n: 8, k: 8 };
const tensorCores: DeviceTraits = { ...able, f16Matrix: of16, int8Matrix: of16, proven: ["f16", "int8"] };
const apple: DeviceTraits = { ...able, f16Matrix: of8, proven: ["f16"] };

const CARDS: Record<string, Card> = {
  "RTX 4090": row(tensorCores, 128, 82.6, 330, 165, 660, 1008),
  H200: row(tensorCores, 132, 67, 268, 989, 1979, 4800),
  "M4, 10 cores": row(apple, 10, 4.3, 4.3, 4.3, 0, 120),
  "Radeon 780M": row(tensorCores, 12, 4.1, 16.6, 16.6, 16.6, 90),
};

function row(
  traits: DeviceTraits,
  units: number,
  f32: number,
  dot: number,
  f16: number,
  int8: number,
  gb: number,
): Card {
  return {
    traits,
    units,
    f32: f32 * 1e12,
    dot: dot * 1e12,
    f16Matrix: f16 * 1e12,
    int8Matrix: int8 * 1e12,
    bandwidth: gb * 1e9,
  };
}

const flopOf = ({ kernel, params, writes }: Dispatch) => kernel.work?.(params, writes[0].shape, 1).flop ?? 0;
const size = ({ shape, dtype }: GpuTensor) => elementCount(shape) * BYTES_PER_ELEMENT[dtype];
const bytesOf = ({ reads, writes }: Dispatch) =>
  [...new Set([...reads, ...writes])].reduce((sum, tensor) => sum + size(tensor), 0);

function secondsOf(dispatch: Dispatch, card: Card): number {
  const { name } = dispatch.kernel;
  const int8 = name.includes("int8") ? "int8Matrix" : "f16Matrix";
  const peak = name.includes("matrix") ? card[int8] : name.includes("int8") ? card.dot : card.f32;
  const [x, y = 1, z = 1] = dispatch.workgroups;
  const groups = x * y * z;
  const fill = groups / (Math.ceil(groups / card.units) * card.units);
  return Math.max(flopOf(dispatch) / (peak * EFFICIENCY * fill), bytesOf(dispatch) / card.bandwidth) + GAP;
}

const config = randomModelConfig("small");
console.log("| GPU | weights | dispatches | GFLOP | MB | ms | of these gaps |\n|---|---|---|---|---|---|---|");
for (const [name, card] of Object.entries(CARDS)) {
  for (const weights of ["f16", "int8", "int4 in groups"]) {
    const dispatches = await dispatchesOf(card.traits, WEIGHTS[weights], config, ROWS);
    const sum = (value: (dispatch: Dispatch) => number) => dispatches.reduce((total, d) => total + value(d), 0);
    const cells = [
      dispatches.length,
      (sum(flopOf) / 1e9).toFixed(1),
      (sum(bytesOf) / 1e6).toFixed(0),
      (sum((d) => secondsOf(d, card)) * 1e3).toFixed(1),
      (dispatches.length * GAP * 1e3).toFixed(1),
    ];
    console.log(`| ${name} | ${weights} | ${cells.join(" | ")} |`);
  }
}
