import type { LinearOptions } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import type { HostTensor } from "../../tensor/host.ts";
import { checkLinear, checkLinearWeight } from "../checks.ts";
import type { Dispatch, Gpu, GpuTensor } from "./gpu.ts";

/** Outputs a lane computes: a square patch of PATCH rows and columns. */
const PATCH = 4;
/** Lanes of a workgroup along rows and columns: it makes 32 × 32 outputs. */
const LANES = 8;

/** How a weight's four neighbouring columns at one k are read: vec4<f32> from what the buffer holds. */
const WEIGHT_READ = {
  f32: { type: "vec4<f32>", read: "w[i]" },
  f16: { type: "vec4<f16>", read: "vec4<f32>(w[i])" },
  /** f16 numbers where the adapter has no shader-f16: the same bits, unpacked by hand. */
  f16Packed: { type: "vec2<u32>", read: "vec4<f32>(unpack2x16float(w[i].x), unpack2x16float(w[i].y))" },
};

/**
 * y = relu?(x · wᵀ + bias) + residual, f32 accumulators. No workgroup memory: a lane keeps a 4 × 4 patch in
 * registers and goes along K four at a time. The weight lies transposed, [K, N rounded up to 4], so that
 * neighbouring lanes read neighbouring vec4s; the rows of x that they share come out of the cache.
 */
function linearWgsl(
  weight: keyof typeof WEIGHT_READ,
  bias: boolean,
  relu: boolean,
  residual: boolean,
): string {
  const { type, read } = WEIGHT_READ[weight];
  const bindings = ["x: array<vec4<f32>>", `w: array<${type}>`];
  if (bias) bindings.push("bias: array<f32>");
  if (residual) bindings.push("residual: array<f32>");
  return /* wgsl */ `
${weight === "f16" ? "enable f16;" : ""}
struct Params { rows: u32, n: u32, k: u32, firstRow: u32 }
@group(0) @binding(0) var<uniform> p: Params;
${bindings.map((b, i) => `@group(0) @binding(${i + 1}) var<storage, read> ${b};`).join("\n")}
@group(0) @binding(${bindings.length + 1}) var<storage, read_write> y: array<f32>;

fn weight(i: u32) -> vec4<f32> { return ${read}; }

fn store(row: u32, column: u32, sum: vec4<f32>) {
  if (row >= p.rows) { return; }
  for (var c = 0u; c < min(${PATCH}u, p.n - column); c++) {
    let o = row * p.n + column + c;
    var value = sum[c]${bias ? " + bias[column + c]" : ""};
    ${relu ? "value = max(value, 0.0);" : ""}
    y[o] = value${residual ? " + residual[o]" : ""};
  }
}

@compute @workgroup_size(${LANES}, ${LANES})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x * ${PATCH};
  let row = id.y * ${PATCH};
  if (column >= p.n || row >= p.rows) { return; }
  let k4 = p.k / 4;
  let stride = (p.n + 3) / 4;
  // Rows past the end repeat the last one: their sums are never stored.
  let last = p.firstRow + p.rows - 1;
  let first = p.firstRow + row;
${each((r) => `  let x${r} = min(first + ${r}, last) * k4;\n  var sum${r} = vec4<f32>();`)}
  var i = id.x;
  for (var k = 0u; k < k4; k++) {
${each((j) => `    let w${j} = weight(i + ${j} * stride);`)}
    i += 4 * stride;
${each((r) => `    let v${r} = x[x${r} + k];\n    sum${r} += v${r}.x * w0 + v${r}.y * w1 + v${r}.z * w2 + v${r}.w * w3;`)}
  }
${each((r) => `  store(row + ${r}, column, sum${r});`)}
}`;
}

/** The lines of all PATCH rows: named registers, since an array of them may end up in memory. */
function each(line: (r: number) => string): string {
  return Array.from({ length: PATCH }, (_, r) => line(r)).join("\n");
}

/** Weight [N, K] as `linear` wants it: transposed to [K, N rounded up to 4], zeros in the extra columns. */
export const uploadLinear =
  (gpu: Gpu) =>
  (weight: HostTensor): GpuTensor => {
    const [n, k] = checkLinearWeight(weight);
    const half = weight.dtype === "f16";
    const source = half ? (weight.data as Uint16Array) : asF32(weight);
    const stride = Math.ceil(n / 4) * 4;
    const packed = half ? new Uint16Array(k * stride) : new Float32Array(k * stride);
    for (let j = 0; j < n; j++) for (let i = 0; i < k; i++) packed[i * stride + j] = source[j * k + i];
    const buffer = gpu.createTensor([k, stride], half ? "f16" : "f32", true);
    gpu.write(buffer, packed);
    return { ...buffer, shape: [n, k] };
  };

export const linear =
  (gpu: Gpu) =>
  (x: GpuTensor, weight: GpuTensor, options: GpuLinearOptions = {}): GpuTensor => {
    const [rows, n] = checkLinear(x, weight, options);
    const y = gpu.createTensor([rows, n]);
    gpu.dispatch(linearKernel(gpu, x, weight, options, y));
    return y;
  };

/** The dispatch that fills y with `linear` of x's rows from `firstRow` on. */
export function linearKernel(
  gpu: Gpu,
  x: GpuTensor,
  weight: GpuTensor,
  { bias, relu = false, residual }: GpuLinearOptions,
  y: GpuTensor,
  firstRow = 0,
): Dispatch {
  const [rows, n] = y.shape;
  const kind = weight.dtype === "f32" ? "f32" : gpu.hasF16 ? "f16" : "f16Packed";
  return {
    wgsl: linearWgsl(kind, bias !== undefined, relu, residual !== undefined),
    params: [rows, n, weight.shape[1], firstRow],
    reads: [x, weight, ...(bias ? [bias] : []), ...(residual ? [residual] : [])],
    writes: [y],
    workgroups: [Math.ceil(n / (LANES * PATCH)), Math.ceil(rows / (LANES * PATCH))],
  };
}

export interface GpuLinearOptions extends LinearOptions {
  readonly bias?: GpuTensor;
  readonly residual?: GpuTensor;
}
