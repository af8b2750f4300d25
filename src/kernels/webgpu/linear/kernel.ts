import type { LinearOptions, LinearWeight } from "../../../tensor/backend.ts";
import type { QuantizedTensor, Weight } from "../../../tensor/quantized.ts";
import type { Dispatch, Gpu, GpuTensor } from "../gpu.ts";
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
  const x = form.int8 ? { x: "array<vec4<u32>>", rowScales: "array<f32>" } : { x: "array<vec4<f32>>" };
  const reads = Object.entries({ ...x, ...kernel.layout.reads(form, device) });
  if (bias) reads.push(["bias", "array<f32>"]);
  if (residual) reads.push(["residual", "array<f32>"]);
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

/** Texts by form, kernel and epilogue, of each device: they are long, and every layer asks for one. */
const texts = new WeakMap<DeviceTraits, Map<WeightForm, Map<string, string>>>();

function textOf(kernel: LinearKernel, { form, device }: GpuWeight, epilogue: Epilogue): string {
  const ofDevice = texts.get(device) ?? new Map<WeightForm, Map<string, string>>();
  texts.set(device, ofDevice);
  const ofForm = ofDevice.get(form) ?? new Map<string, string>();
  ofDevice.set(form, ofForm);
  const key = `${kernel.name} ${epilogue.bias} ${epilogue.relu} ${epilogue.residual}`;
  const text = ofForm.get(key) ?? kernel.wgsl(form, device, epilogue);
  ofForm.set(key, text);
  return text;
}

/** Workgroups that keep the widest of GPUs busy. */
const FILL = 64;

/** Of the kernels that read the weight's layout, the one with the largest tile that leaves no part of the GPU idle. */
export function kernelFor({ kernels, shape: [n] }: GpuWeight, rows: number): LinearKernel {
  const fills = ({ tile }: LinearKernel) => {
    return rows > tile[0] / 2 && Math.ceil(rows / tile[0]) * Math.ceil(n / tile[1]) >= FILL;
  };
  const areas = kernels.map(({ tile }) => tile[0] * tile[1]);
  return kernels.findLast(fills) ?? kernels[areas.lastIndexOf(Math.min(...areas))];
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
  const { form, tensors } = weight;
  const kernel = kernelFor(weight, rows);
  const epilogue = { bias: bias !== undefined, relu, residual: residual !== undefined };
  return {
    name: `linear ${kernel.name}`,
    wgsl: textOf(kernel, weight, epilogue),
    params: [rows, n, form.k, firstRow, 0, ...Object.values(kernel.params?.(form) ?? {})],
    reads: [...inputs, ...tensors, ...(bias ? [bias] : []), ...(residual ? [residual] : [])],
    writes: [y],
    workgroups: [Math.ceil(n / kernel.tile[1]), Math.ceil(rows / kernel.tile[0])],
  };
}

/** `count` lines of a kernel. Registers have names: an array of them may end up in memory. */
export function lines(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}
