import { groupsOf, type QuantizedTensor } from "../../tensor/quantized.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { eachRow, type GpuWeight, type LinearKernel, lines } from "./linearFrame.ts";
import { uploadTransposed } from "./uploadTransposed.ts";

/**
 * Weights in codes of 2 to 8 bits: code words [⌈K/32⌉·bits, N rounded up to 4], scales and zeros [G, N rounded up
 * to 4], tables as they are.
 */
export function uploadCodes(gpu: Gpu, weight: QuantizedTensor): GpuWeight {
  const { shape, codes, scales, zeros, tables } = weight;
  const [n] = shape;
  const count = n * groupsOf(weight);
  const perGroup = scales.length === count ? scales : new Float32Array(count).fill(scales[0]);
  const tensors = [uploadTransposed(gpu, codes, "u32", n), uploadTransposed(gpu, perGroup, "f32", n)];
  if (zeros) tensors.push(uploadTransposed(gpu, zeros, "u8", n));
  if (tables) tensors.push(uploadTables(gpu, tables));
  return { shape, kernel: codesKernel(weight), tensors };
}

function uploadTables(gpu: Gpu, tables: Float32Array): GpuTensor {
  const tensor = gpu.createTensor([tables.length], "f32", true);
  gpu.write(tensor, tables);
  return tensor;
}

/**
 * Σ x·w in f32, group after group, four k at a time. Four codes are one window of bits on one or two words: they fall
 * out of it by constant shifts, and a weight never exists outside a register. Uniform: w = c·scale − zero·scale. By
 * table: w = scale·table[c], the table in a storage buffer: the cache holds it whatever its size and number (16 entries
 * are one line), and no lane waits for others as it would to fill workgroup memory anew for each group.
 */
function codesKernel({ shape, bits, groupSize, zeros, tables }: QuantizedTensor): LinearKernel {
  const size = 2 ** bits;
  const [n, k] = shape;
  const code = (j: number) => `((window >> vec4(${j * bits}u)) & vec4(${size - 1}u))`;
  const value = tables
    ? (j: number) => `scale * entries(table + ${code(j)})`
    : (j: number) => `vec4<f32>(${code(j)}) * scale + offset`;
  const zero = zeros
    ? "vec4<f32>((vec4(zeros[g * stride + id.x]) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u))"
    : `${size / 2}.0`;
  const tableCount = tables ? tables.length / size : 0;
  const table = tableCount === 1 ? "vec4(0u)" : tableCount === n ? "columns" : "(columns * p.groups + g)";
  return {
    reads: {
      ...{ x: "array<vec4<f32>>", codes: "array<vec4<u32>>", scales: "array<vec4<f32>>" },
      ...(zeros && { zeros: "array<u32>" }),
      ...(tables && { tables: "array<f32>" }),
    },
    params: { groups: Math.ceil(k / groupSize), fours: k / 4, groupFours: Math.ceil(groupSize / 4) },
    declarations: tables
      ? "fn entries(i: vec4<u32>) -> vec4<f32> { return vec4(tables[i.x], tables[i.y], tables[i.z], tables[i.w]); }"
      : "",
    rowLength: "p.fours",
    sums: "vec4<f32>",
    loop: /* wgsl */ `
  let columns = min(vec4(column) + vec4(0u, 1u, 2u, 3u), vec4(p.n - 1));
  for (var g = 0u; g < p.groups; g++) {
    let scale = scales[g * stride + id.x];
    ${tables ? `let table = ${table} * ${size}u;` : `let offset = -scale * ${zero};`}
    for (var k = g * p.groupFours; k < min((g + 1) * p.groupFours, p.fours); k++) {
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
    value: "sum[c]",
  };
}
