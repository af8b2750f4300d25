import type { LinearOptions, LinearWeight } from "../../../tensor/backend.ts";
import type { QuantizedTensor, Weight } from "../../../tensor/quantized.ts";
import type { Dispatch, Gpu, GpuTensor } from "../gpu.ts";
import { memo } from "../memo.ts";
import type { Kernel } from "../pipelines.ts";
import type { DeviceTraits, MatrixKind } from "../traits.ts";

/** What the text of a kernel depends on, of a weight [N, K]; the same object for the same form. */
export interface WeightForm {
  readonly k: number;
  readonly values: "f32" | "f16" | "codes";
  /** Bits of a value. */
  readonly bits: number;
  /** Of codes: see QuantizedTensor. `int8`: x comes in int8 rows, and products are summed in integers. */
  readonly groupSize: number;
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

/** What ends every kernel: which of these there are. */
export interface Epilogue {
  readonly bias: boolean;
  readonly relu: boolean;
  readonly residual: boolean;
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
  /** Further fields of the uniform `p`, all u32. */
  readonly params?: (form: WeightForm) => Readonly<Record<string, number>>;
  readonly wgsl: (form: WeightForm, device: DeviceTraits, epilogue: Epilogue) => string;
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
  return { k, values: "codes", bits, groupSize, zeros: zeros !== undefined, tables, int8: activation !== undefined };
}

function kindOfTables({ shape, bits, tables }: QuantizedTensor): WeightForm["tables"] {
  if (!tables) return undefined;
  const count = tables.length / 2 ** bits;
  return count === 1 ? "matrix" : count === shape[0] ? "row" : "group";
}

/** The parameters that every kernel has; `none` is 0. */
const PARAMS = ["rows", "n", "k", "firstRow", "none"];

/**
 * The head of every kernel: bindings, and `fn store`, which ends the sum of an output, relu?(sum + bias) + residual, and
 * writes it. Rows and columns past the end are not written.
 */
export function head(kernel: LinearKernel, form: WeightForm, device: DeviceTraits, epilogue: Epilogue): string {
  const { bias, relu, residual } = epilogue;
  const reads = readsOf(kernel, form, device, epilogue);
  const params = [...PARAMS, ...Object.keys(kernel.params?.(form) ?? {})];
  return /* wgsl */ `
struct Params { ${params.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> p: Params;
${reads.map(([name, type], i) => `@group(0) @binding(${i + 1}) var<storage, read> ${name}: ${type};`).join("\n")}
@group(0) @binding(${reads.length + 1}) var<storage, read_write> y: array<f32>;
fn store(row: u32, column: u32, sum: f32) {
  if (row >= p.rows || column >= p.n) { return; }
  let o = row * p.n + column;
  var value = sum${bias ? " + bias[column]" : ""};
  ${relu ? "value = max(value, 0.0);" : ""}
  y[o] = value${residual ? " + residual[o]" : ""};
}`;
}

/** The buffers that a kernel reads: WGSL types by name, in the order of their bindings. */
function readsOf(
  { layout }: LinearKernel,
  form: WeightForm,
  device: DeviceTraits,
  { bias, residual }: Epilogue,
): [name: string, type: string][] {
  const x = form.int8 ? { x: "array<vec4<u32>>", rowScales: "array<f32>" } : { x: "array<vec4<f32>>" };
  const reads = Object.entries({ ...x, ...layout.reads(form, device) });
  if (bias) reads.push(["bias", "array<f32>"]);
  if (residual) reads.push(["residual", "array<f32>"]);
  return reads;
}

/** What a dispatch needs of a kernel for weights of a form: its shader, and the values of its further parameters. */
interface Variant {
  readonly kernel: Kernel;
  readonly params: readonly number[];
}

const workOf: Kernel["work"] = ([rows, n, k]) => ({ shape: `${rows}x${k}x${n}`, flop: 2 * rows * k * n });

const variantOf = memo(
  (
    kernel: LinearKernel,
    form: WeightForm,
    device: DeviceTraits,
    bias: boolean,
    relu: boolean,
    residual: boolean,
  ): Variant => {
    const epilogue = { bias, relu, residual };
    const reads = readsOf(kernel, form, device, epilogue).length;
    const wgsl = kernel.wgsl(form, device, epilogue);
    return {
      kernel: { name: `linear ${kernel.name}`, wgsl, reads, writes: 1, work: workOf },
      params: Object.values(kernel.params?.(form) ?? {}),
    };
  },
);

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

/** The dispatch that fills y with `linear` of x's rows from `firstRow` on; `inputs` are the kernel's first buffers. */
export function linearDispatch(
  inputs: readonly GpuTensor[],
  weight: GpuWeight,
  { bias, relu = false, residual }: LinearOptions<GpuTensor>,
  y: GpuTensor,
  firstRow = 0,
): Dispatch {
  const [rows, n] = y.shape;
  const { form, device, tensors } = weight;
  const kernel = kernelFor(weight, rows);
  const variant = variantOf(kernel, form, device, bias !== undefined, relu, residual !== undefined);
  const reads = [...inputs, ...tensors];
  if (bias) reads.push(bias);
  if (residual) reads.push(residual);
  return {
    kernel: variant.kernel,
    params: [rows, n, form.k, firstRow, 0, ...variant.params],
    reads,
    writes: [y],
    workgroups: [Math.ceil(n / kernel.tile[1]), Math.ceil(rows / kernel.tile[0])],
  };
}

/** `count` lines of a kernel. Registers have names: an array of them may end up in memory. */
export function lines(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}
