import type { LinearWeight } from "../../../tensor/backend.ts";
import { halfScales, type QuantizedTensor, type Weight } from "../../../tensor/quantized.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";
import type { DeviceTraits, MatrixKind } from "../traits.ts";

/** What the text of a kernel depends on, of a weight [N, K]; the same object for the same form. */
export interface WeightForm {
  readonly k: number;
  readonly values: "f32" | "f16" | "codes";
  /** Bits of a value. */
  readonly bits: number;
  /** Of codes: see QuantizedTensor. `int8`: x comes in int8 rows, and products are summed in integers. */
  readonly groupSize: number;
  /** Scales in f16, two in a word; else in f32. */
  readonly halfScales?: boolean;
  readonly zeros: boolean;
  readonly tables?: "matrix" | "row" | "group";
  readonly int8: boolean;
}

/** How a weight lies in memory. */
export interface Layout {
  /** WGSL types of the weight's buffers by name. */
  readonly reads: (form: WeightForm, device: DeviceTraits) => Readonly<Record<string, string>>;
  /** The buffers, in the order of `reads`. */
  readonly upload: (gpu: Gpu, weight: Weight) => GpuTensor[];
}

/** How rows of x come to a kernel. */
export interface Input {
  /** The kernel normalises them: gamma and beta come with x. */
  readonly norm: boolean;
  /** The kernel rounds them to int8, each by its own largest number or all by one; else they come as the form wants them. */
  readonly int8?: "dynamic" | "fixed";
}

/** What ends every kernel: which of these there are. */
export interface Epilogue {
  readonly bias: boolean;
  readonly relu: boolean;
  readonly residual: boolean;
  /** In place of outputs the best of each row in the columns of a workgroup: see best.ts. */
  readonly best: boolean;
}

/** All that the text of a kernel depends on. */
export interface Variant {
  readonly form: WeightForm;
  readonly device: DeviceTraits;
  readonly input: Input;
  readonly epilogue: Epilogue;
}

/** One way to compute `linear`. */
export interface LinearKernel {
  readonly name: string;
  readonly layout: Layout;
  /** What matrices it multiplies by subgroups, which is tried before it is trusted. */
  readonly matrix?: MatrixKind;
  /** Outputs of a workgroup. */
  readonly tile: readonly [rows: number, columns: number];
  readonly supports: (device: DeviceTraits, form: WeightForm) => boolean;
  /** Whether it takes every Input and Epilogue; else rows as the form wants them, and no `best`. */
  readonly fuses: boolean;
  /** Further fields of the uniform `p`, all u32. */
  readonly params?: (form: WeightForm) => Readonly<Record<string, number>>;
  readonly wgsl: (variant: Variant) => string;
}

/** The weight [N, K] of a linear layer, in a layout that several kernels read. */
export interface GpuWeight extends LinearWeight<GpuTensor> {
  readonly form: WeightForm;
  readonly device: DeviceTraits;
  /** From small tiles to large ones. */
  readonly kernels: readonly LinearKernel[];
  /** The one of them that was the fastest for so many rows, where that is known. */
  readonly choose?: (rows: number) => LinearKernel | undefined;
  /** How x becomes int8, if the kernel wants it so: QuantizedTensor.activation. */
  readonly activation?: "dynamic" | number;
}

const forms = new Map<string, WeightForm>();

export function formOf(weight: Weight): WeightForm {
  const form = describe(weight);
  const key = JSON.stringify(form);
  const known = forms.get(key) ?? form;
  forms.set(key, known);
  return known;
}

function describe(weight: Weight): WeightForm {
  const k = weight.shape[1];
  if (weight.dtype !== "quantized") {
    const values = weight.dtype === "f16" ? "f16" : "f32";
    return { k, values, bits: values === "f16" ? 16 : 32, groupSize: k, zeros: false, int8: false };
  }
  const { bits, groupSize, zeros, activation } = weight;
  const tables = kindOfTables(weight);
  const scaled = { groupSize, halfScales: halfScales(weight) !== undefined, zeros: zeros !== undefined, tables };
  return { k, values: "codes", bits, ...scaled, int8: activation !== undefined };
}

function kindOfTables({ shape, bits, tables }: QuantizedTensor): WeightForm["tables"] {
  if (!tables) return undefined;
  const count = tables.length / 2 ** bits;
  return count === 1 ? "matrix" : count === shape[0] ? "row" : "group";
}

/** Workgroups that keep the widest of GPUs busy. */
const FILL = 64;

/**
 * Of the kernels that read the weight's layout the fastest; by rule, where none was timed, the one with the largest tile that
 * leaves no part of the GPU idle.
 */
export function kernelFor({ kernels, choose, shape: [n] }: GpuWeight, rows: number): LinearKernel {
  const fastest = choose?.(rows);
  if (fastest) return fastest;
  let smallest = kernels[kernels.length - 1];
  for (let i = kernels.length - 1; i >= 0; i--) {
    const [down, across] = kernels[i].tile;
    if (rows > down / 2 && Math.ceil(rows / down) * Math.ceil(n / across) >= FILL) return kernels[i];
    if (down * across < smallest.tile[0] * smallest.tile[1]) smallest = kernels[i];
  }
  return smallest;
}

/** `count` lines of a kernel. Registers have names: an array of them may end up in memory. */
export function lines(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}
