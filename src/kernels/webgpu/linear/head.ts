import { bestOf } from "./best.ts";
import type { LinearKernel, Variant } from "./kernel.ts";

/** The parameters that every kernel has; `none` is 0, scale and factor are f32 of rows in int8 by one scale. */
const PARAMS = ["rows", "n", "k", "firstRow", "none", "scale", "factor", "banned"];

/** The buffers that a kernel reads: WGSL types by name, in the order of their bindings. */
export function readsOf(
  { layout }: LinearKernel,
  { form, device, input, epilogue: { bias, residual } }: Variant,
): [name: string, type: string][] {
  const reads: [string, string][] =
    form.int8 && !input.int8
      ? [
          ["x", "array<vec4<u32>>"],
          ["rowScales", "array<f32>"],
        ]
      : [["x", "array<vec4<f32>>"]];
  if (input.norm) reads.push(["gamma", "array<vec4<f32>>"], ["beta", "array<vec4<f32>>"]);
  reads.push(...Object.entries(layout.reads(form, device)));
  if (bias) reads.push(["bias", "array<f32>"]);
  if (residual) reads.push(["residual", "array<f32>"]);
  return reads;
}

/**
 * The head of every kernel: bindings, and `fn store`, which ends the sum of an output, relu?(sum + bias + residual), and
 * writes it (rows and columns past the end are not written); or, in its place, the functions of best.ts.
 */
export function head(kernel: LinearKernel, variant: Variant): string {
  const { bias, relu, residual, best } = variant.epilogue;
  const reads = readsOf(kernel, variant);
  const params = [...PARAMS, ...Object.keys(kernel.params?.(variant.form) ?? {})];
  return /* wgsl */ `
struct Params { ${params.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> p: Params;
${reads.map(([name, type], i) => `@group(0) @binding(${i + 1}) var<storage, read> ${name}: ${type};`).join("\n")}
@group(0) @binding(${reads.length + 1}) var<storage, read_write> y: array<${best ? "vec4<f32>" : "f32"}>;
${
  best
    ? bestOf(kernel.tile[1])
    : `fn store(row: u32, column: u32, sum: f32) {
  if (row >= p.rows || column >= p.n) { return; }
  let o = row * p.n + column;
  var value = sum${bias ? " + bias[column]" : ""};
  ${residual ? "value += residual[o];" : ""}
  ${relu ? "value = max(value, 0.0);" : ""}
  y[o] = value;
}`
}`;
}
