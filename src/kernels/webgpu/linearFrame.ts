import type { LinearOptions, LinearWeight } from "../../tensor/backend.ts";
import type { Dispatch, GpuTensor } from "./gpu.ts";

/** The weight [N, K] of a linear layer, and the kernel that reads it; `tensors` are its `reads` behind x's. */
export interface GpuWeight extends LinearWeight<GpuTensor> {
  readonly kernel: LinearKernel;
  /** How x becomes int8, if the kernel wants it so: QuantizedTensor.activation. */
  readonly activation?: "dynamic" | number;
}

/** What the kernels of `linear` differ in. */
export interface LinearKernel {
  /** WGSL types of the first buffers by name: x, or its int8 rows and their scales; then the weight's. */
  readonly reads: Readonly<Record<string, string>>;
  /** Further fields of the uniform `p`, all u32. */
  readonly params?: Readonly<Record<string, number>>;
  readonly declarations?: string;
  /** Elements of x in a row. */
  readonly rowLength: string;
  /**
   * Adds to sum0 … sum3, each a vec4<f32>. The lane's rows of x begin at the elements x0 … x3; its columns are `column` … column + 3,
   * the vec4 `id.x` of the `stride` that span all columns.
   */
  readonly loop: string;
  /** The f32 that sum[c] stands for, given `row`. */
  readonly value: string;
}

/** Outputs a lane computes: a square patch of PATCH rows and columns. */
const PATCH = 4;
/** Lanes of a workgroup along rows and columns: it makes 32 × 32 outputs. */
const LANES = 8;

/**
 * The frame of all kernels of `linear`: y = relu?(x · wᵀ + bias) + residual. No workgroup memory: a lane keeps a
 * 4 × 4 patch of sums in registers and goes along K. Weights lie transposed (`uploadTransposed`), so that neighbouring
 * lanes read neighbouring vec4s; the rows of x that they share come out of the cache.
 */
function linearWgsl(kernel: LinearKernel, bias: boolean, relu: boolean, residual: boolean): string {
  const reads = Object.entries(kernel.reads);
  if (bias) reads.push(["bias", "array<f32>"]);
  if (residual) reads.push(["residual", "array<f32>"]);
  const params = ["rows", "n", "k", "firstRow", ...Object.keys(kernel.params ?? {})];
  const { declarations = "", rowLength, loop, value } = kernel;
  return /* wgsl */ `
${reads.some(([, type]) => type.includes("f16")) ? "enable f16;" : ""}
struct Params { ${params.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> p: Params;
${reads.map(([name, type], i) => `@group(0) @binding(${i + 1}) var<storage, read> ${name}: ${type};`).join("\n")}
@group(0) @binding(${reads.length + 1}) var<storage, read_write> y: array<f32>;
${declarations}
fn store(row: u32, column: u32, sum: vec4<f32>) {
  if (row >= p.rows) { return; }
  for (var c = 0u; c < min(${PATCH}u, p.n - column); c++) {
    let o = row * p.n + column + c;
    var value = ${value}${bias ? " + bias[column + c]" : ""};
    ${relu ? "value = max(value, 0.0);" : ""}
    y[o] = value${residual ? " + residual[o]" : ""};
  }
}

@compute @workgroup_size(${LANES}, ${LANES})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x * ${PATCH};
  let row = id.y * ${PATCH};
  if (column >= p.n || row >= p.rows) { return; }
  let stride = (p.n + 3) / 4;
  // Rows past the end repeat the last one: their sums are never stored.
  let last = p.firstRow + p.rows - 1;
  let first = p.firstRow + row;
${eachRow((r) => `  let x${r} = min(first + ${r}, last) * (${rowLength});\n  var sum${r} = vec4<f32>();`)}
${loop}
${eachRow((r) => `  store(row + ${r}, column, sum${r});`)}
}`;
}

/** Texts by kernel and epilogue: they are long, and every layer asks for one. */
const texts = new WeakMap<LinearKernel, Map<string, string>>();

/** The dispatch that fills y with `linear` of x's rows from `firstRow` on; `inputs` are the kernel's first buffers. */
export function linearDispatch(
  inputs: readonly GpuTensor[],
  { kernel, tensors, shape }: GpuWeight,
  { bias, relu = false, residual }: LinearOptions<GpuTensor>,
  y: GpuTensor,
  firstRow = 0,
): Dispatch {
  const ofKernel = texts.get(kernel) ?? new Map<string, string>();
  texts.set(kernel, ofKernel);
  const epilogue = [bias !== undefined, relu, residual !== undefined] as const;
  const wgsl = ofKernel.get(epilogue.join()) ?? linearWgsl(kernel, ...epilogue);
  ofKernel.set(epilogue.join(), wgsl);
  const [rows, n] = y.shape;
  return {
    name: "linear",
    wgsl,
    params: [rows, n, shape[1], firstRow, ...Object.values(kernel.params ?? {})],
    reads: [...inputs, ...tensors, ...(bias ? [bias] : []), ...(residual ? [residual] : [])],
    writes: [y],
    workgroups: [Math.ceil(n / (LANES * PATCH)), Math.ceil(rows / (LANES * PATCH))],
  };
}

/** `count` lines of a kernel. Registers have names: an array of them may end up in memory. */
export function lines(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}

/** A line for each row of the patch. */
export function eachRow(line: (r: number) => string): string {
  return lines(PATCH, line);
}
