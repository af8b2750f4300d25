import type { QuantizedTensor } from "../../../tensor/quantized.ts";
import type { Gpu, GpuTensor } from "../gpu.ts";
import { uploadScales, uploadTransposed } from "./columns.ts";
import { type Layout, lines, type WeightForm } from "./kernel.ts";
import { eachRow, type Loop } from "./plainLoop.ts";

/** Codes of 2 to 8 bits that stand for floats: uploadGroups', then tables as they are. */
export const codesColumns: Layout = {
  reads: (form) => ({
    ...{ codes: "array<vec4<u32>>", scales: scalesType(form) },
    ...(form.zeros && { zeros: "array<u32>" }),
    ...(form.tables && { tables: "array<f32>" }),
  }),
  upload: (gpu, weight) => {
    const quantized = weight as QuantizedTensor;
    const tensors = uploadGroups(gpu, quantized);
    if (quantized.tables) tensors.push(uploadTables(gpu, quantized.tables, "f32"));
    return tensors;
  },
};

/** Code words [⌈K/32⌉·bits, N rounded up to 4], scales and zeros [G, N rounded up to 4]. */
export function uploadGroups(gpu: Gpu, weight: QuantizedTensor): GpuTensor[] {
  const { shape, codes, zeros } = weight;
  const [n] = shape;
  const tensors = [uploadTransposed(gpu, codes, "u32", n), uploadScales(gpu, weight)];
  if (zeros) tensors.push(uploadTransposed(gpu, zeros, "u8", n));
  return tensors;
}

/** Scales of four columns, and those of group g in the lane's columns, vec4<f32>. */
export const scalesType = ({ halfScales }: WeightForm) => `array<${halfScales ? "vec2<u32>" : "vec4<f32>"}>`;
export function scalesOfGroup({ halfScales }: WeightForm): string {
  const four = "scales[g * stride + id.x]";
  return halfScales ? `vec4(unpack2x16float(${four}.x), unpack2x16float(${four}.y))` : four;
}

/** Parameters of a loop over groups, and in each over `step` k at a time. */
export function groupParams({ k, groupSize }: WeightForm, step: number) {
  return {
    groups: Math.ceil(k / groupSize),
    steps: Math.ceil(k / step),
    groupSteps: Math.ceil(groupSize / step),
  };
}

export const codesParams = (form: WeightForm) => groupParams(form, 4);

/** The zero points of group g in the lane's columns, vec4<u32>. */
export const ZEROS_OF_GROUP = "((vec4(zeros[g * stride + id.x]) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u))";

/** Where the tables of group g in the lane's columns begin, vec4<u32>. */
export function tableOfGroup({ bits, tables }: WeightForm): string {
  const size = 2 ** bits;
  const columns = "min(vec4(column) + vec4(0u, 1u, 2u, 3u), vec4(p.n - 1))";
  if (tables === "matrix") return "vec4(0u)";
  return tables === "row" ? `${columns} * ${size}u` : `(${columns} * p.groups + g) * ${size}u`;
}

/** `fn entries`: four entries of `tables`. */
export const entries = (type: "f32" | "u32") => /* wgsl */ `
fn entries(i: vec4<u32>) -> vec4<${type}> { return vec4(tables[i.x], tables[i.y], tables[i.z], tables[i.w]); }`;

/** Tables as the kernel's `entries` reads them. */
export function uploadTables(gpu: Gpu, tables: Float32Array | Uint32Array, type: "f32" | "u32"): GpuTensor {
  const tensor = gpu.createTensor([tables.length], type, true);
  gpu.write(tensor, tables);
  return tensor;
}

/**
 * Σ x·w in f32, group after group, four k at a time. Four codes are one window of bits on one or two words: they fall
 * out of it by constant shifts, and a weight never exists outside a register. Uniform: w = c·scale − zero·scale. By
 * table: w = scale·table[c], the table in a storage buffer: the cache holds it whatever its size and number (16 entries
 * are one line), and no lane waits for others as it would to fill workgroup memory anew for each group.
 */
export function codesLoop(form: WeightForm): Loop {
  const { bits, zeros, tables } = form;
  const size = 2 ** bits;
  const code = (j: number) => `((window >> vec4(${j * bits}u)) & vec4(${size - 1}u))`;
  const value = tables
    ? (j: number) => `scale * entries(table + ${code(j)})`
    : (j: number) => `vec4<f32>(${code(j)}) * scale + offset`;
  const zero = zeros ? `vec4<f32>(${ZEROS_OF_GROUP})` : `${size / 2}.0`;
  return {
    declarations: tables ? entries("f32") : "",
    rowLength: "p.steps",
    loop: /* wgsl */ `
  for (var g = 0u; g < p.groups; g++) {
    let scale = ${scalesOfGroup(form)};
    ${tables ? `let table = ${tableOfGroup(form)};` : `let offset = -scale * ${zero};`}
    for (var k = g * p.groupSteps; k < min((g + 1) * p.groupSteps, p.steps); k++) {
      let bit = k * ${4 * bits};
      let word = (bit / 32) * stride + id.x;
      let shift = vec4(bit % 32);
      ${
        32 % bits
          ? "let window = (codes[word] >> shift) | ((codes[word + stride] << vec4(1u)) << (31 - shift));"
          : "let window = codes[word] >> shift;"
      }
${lines(4, (j) => `      let w${j} = ${value(j)};`)}
${eachRow((r) => `      let v${r} = x[x${r} + k];`)}
${eachRow((r) => `      sum${r} += v${r}.x * w0 + v${r}.y * w1 + v${r}.z * w2 + v${r}.w * w3;`)}
    }
  }`,
    value: "sum",
  };
}
