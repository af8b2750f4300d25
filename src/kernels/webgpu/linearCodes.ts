import { BLOCK, groupsOf, type QuantizedTensor } from "../../tensor/quantized.ts";
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

/** How many codes fill whole words, at least four: 4 of 8 bits, 8 of 4, 16 of 2 or 6, a block of 32 else. */
const CODES_OF_RUN: Readonly<Record<number, number>> = { 2: 16, 4: 8, 6: 16, 8: 4 };

/**
 * Σ x·w in f32, a run of codes after another in straight line: they fall out of the run's words by constant shifts, and
 * a weight never exists outside a register. Uniform: w = c·scale − zero·scale. By table: w = scale·table[c], the
 * table in a storage buffer: the cache holds it whatever its size and number (16 entries are one line), and no lane
 * waits for others as it would to fill workgroup memory anew for each group.
 */
function codesKernel({ shape, bits, groupSize, zeros, tables }: QuantizedTensor): LinearKernel {
  const size = 2 ** bits;
  const blocks = Math.ceil(shape[1] / BLOCK);
  const run = CODES_OF_RUN[bits] ?? BLOCK;
  const words = (run * bits) / 32;
  const group = Math.ceil(groupSize / BLOCK);
  const zero = zeros
    ? "vec4<f32>((vec4(zeros[g * stride + id.x]) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u))"
    : `${size / 2}.0`;
  const tableCount = tables ? tables.length / size : 0;
  const table =
    tableCount === 1 ? "vec4(0u)" : tableCount === shape[0] ? "columns" : "(columns * p.groups + g)";
  const read = tables
    ? (code: string) => `scale * entries(table + (${code}))`
    : (code: string) => `vec4<f32>(${code}) * scale + offset`;
  return {
    reads: {
      ...{ x: "array<vec4<f32>>", codes: "array<vec4<u32>>", scales: "array<vec4<f32>>" },
      ...(zeros && { zeros: "array<u32>" }),
      ...(tables && { tables: "array<f32>" }),
    },
    params: { blocks, group, groups: Math.ceil(blocks / group) },
    declarations: /* wgsl */ `
// The last block may be longer than the row: there x counts as 0.
fn input(start: u32, k: u32) -> vec4<f32> {
  ${shape[1] % BLOCK ? "if (k >= p.k / 4) { return vec4<f32>(); }" : ""}
  return x[start + k];
}
${tables ? "fn entries(i: vec4<u32>) -> vec4<f32> { return vec4(tables[i.x], tables[i.y], tables[i.z], tables[i.w]); }" : ""}`,
    rowLength: "p.k / 4",
    sums: "vec4<f32>",
    loop: /* wgsl */ `
  let columns = min(vec4(column) + vec4(0u, 1u, 2u, 3u), vec4(p.n - 1));
  for (var block = 0u; block < p.blocks; block++) {
    let g = block / p.group;
    let scale = scales[g * stride + id.x];
    ${tables ? `let table = ${table} * ${size}u;` : `let offset = -scale * ${zero};`}
    for (var run = 0u; run < ${BLOCK / run}; run++) {
      let first = (block * ${bits} + run * ${words}) * stride + id.x;
${lines(words, (i) => `      let w${i} = codes[first + ${i} * stride];`)}
      let k = block * ${BLOCK / 4} + run * ${run / 4};
${lines(run / 4, (i) => fourProducts(i, bits, read))}
    }
  }`,
    value: "sum[c]",
  };
}

/** The products with codes 4i … 4i + 3 of a run. */
function fourProducts(i: number, bits: number, read: (code: string) => string): string {
  return /* wgsl */ `      {
${lines(4, (j) => `        let v${j} = ${read(code(4 * i + j, bits))};`)}
${eachRow((r) => `        let a${r} = input(x${r}, k + ${i});`)}
${eachRow((r) => `        sum${r} += a${r}.x * v0 + a${r}.y * v1 + a${r}.z * v2 + a${r}.w * v3;`)}
      }`;
}

/** WGSL for code i of a run, of four columns at once: `bits` bits of one word or of two. */
function code(i: number, bits: number): string {
  const [word, shift] = [(i * bits) >>> 5, (i * bits) & 31];
  const low = `(w${word} >> vec4(${shift}u))`;
  const both = shift + bits > 32 ? `(${low} | (w${word + 1} << vec4(${32 - shift}u)))` : low;
  return `${both} & vec4(${2 ** bits - 1}u)`;
}
