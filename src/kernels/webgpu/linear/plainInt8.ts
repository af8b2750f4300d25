import { BLOCK, packCodes, type QuantizedTensor } from "../../../tensor/quantized.ts";
import type { DeviceTraits } from "../traits.ts";
import { type Layout, lines, type WeightForm } from "./kernel.ts";
import {
  entries,
  groupParams,
  scalesOfGroup,
  scalesType,
  tableOfGroup,
  uploadGroups,
  uploadTables,
  ZEROS_OF_GROUP,
} from "./plainCodes.ts";
import { eachRow, type Loop } from "./plainLoop.ts";

/** Codes whose products with int8 rows are summed as integers: laid out like codesColumns, tables in int8. */
export const int8Columns: Layout = {
  reads: (form) => ({
    ...{ codes: "array<vec4<u32>>", scales: scalesType(form) },
    ...(form.zeros && { zeros: "array<u32>" }),
    ...(form.tables && { tables: "array<u32>" }),
  }),
  upload: (gpu, weight) => {
    const quantized = weight as QuantizedTensor;
    const tensors = uploadGroups(gpu, signedCodes(quantized));
    if (quantized.tables) tensors.push(uploadTables(gpu, int8Tables(quantized.tables), "u32"));
    return tensors;
  },
};

export const int8Params = (form: WeightForm) => groupParams(form, BLOCK);

/** Entries as the bytes of int8. */
export function int8Tables(tables: Float32Array): Uint32Array {
  return Uint32Array.from(tables, (entry) => entry & 255);
}

/** Symmetric codes with their upper bit turned over: c − 2^(bits−1) in two's complement. */
export function signedCodes(weight: QuantizedTensor): QuantizedTensor {
  const { codes, bits, zeros, tables } = weight;
  if (zeros || tables) return weight;
  const upperBits = packCodes(new Uint8Array(BLOCK).fill(2 ** (bits - 1)), [1, BLOCK], bits);
  return { ...weight, codes: codes.map((word, i) => word ^ upperBits[i % bits]) };
}

/**
 * (Σ_g f32(Σ q·value(c)) · scale) · s, the inner sums in i32, a block of 32 k at a time. In QuantizedTensor.activation's
 * order of steps, and with no product fused with the sum after it, y is the reference's to the bit.
 */
export function int8Loop(form: WeightForm, device: DeviceTraits): Loop {
  const { bits, zeros, tables } = form;
  const ofGroup = tables ? tableOfGroup(form) : zeros ? `${ZEROS_OF_GROUP} * 0x01010101u` : "vec4(0u)";
  const { shift, values } = fourValues(form);
  return {
    declarations: /* wgsl */ `${device.int8Dot ? DOT4.builtin : DOT4.byHand}
${values}
// The compiler does not know that p.none is 0, so it cannot fuse a product with the sum after it.
fn rounded(x: vec4<f32>) -> vec4<f32> { return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ vec4(p.none)); }`,
    rowLength: "2 * p.steps",
    loop: /* wgsl */ `
  for (var g = 0u; g < p.groups; g++) {
    let ofGroup = ${ofGroup};
${eachRow((r) => `    var part${r} = vec4<i32>();`)}
    for (var k = g * p.groupSteps; k < min((g + 1) * p.groupSteps, p.steps); k++) {
      let i = k * ${bits} * stride + id.x;
${lines(bits, (i) => `      let c${i} = codes[i + ${i} * stride];`)}
${eachRow((r) => `      let v${r} = x[x${r} + 2 * k];`)}
${eachRow((r) => `      let u${r} = x[x${r} + 2 * k + 1];`)}
${lines(8, (i) => `      let w${i} = values(${fourCodes(bits, i)}, ofGroup);`)}
${eachRow((r) => `      part${r} += dot4(v${r}.x, w0) + dot4(v${r}.y, w1) + dot4(v${r}.z, w2) + dot4(v${r}.w, w3);`)}
${eachRow((r) => `      part${r} += dot4(u${r}.x, w4) + dot4(u${r}.y, w5) + dot4(u${r}.z, w6) + dot4(u${r}.w, w7);`)}
    }
    let scale = ${scalesOfGroup(form)} * ${2 ** -shift}; // exact
${eachRow((r) => `    sum${r} += rounded(vec4<f32>(part${r}) * scale);`)}
  }`,
    value: "rounded(sum * rowScales[p.firstRow + row])",
  };
}

/** Codes 4i … 4i+3 of the block whose words are c0, c1, …: four neighbours, from bit 0 on. */
function fourCodes(bits: number, i: number): string {
  const [word, shift] = [(4 * i * bits) >> 5, (4 * i * bits) & 31];
  const low = shift ? `(c${word} >> vec4(${shift}u))` : `c${word}`;
  return shift + 4 * bits > 32 ? `${low} | (c${word + 1} << vec4(${32 - shift}u))` : low;
}

/**
 * `fn values`: four codes of each of four columns → what they stand for, times 2^shift, in the bytes of a word.
 *
 * Symmetric codes come with their sign and go to the upper ends of their bytes, so that 8 bits are done already and
 * others 2^(8−bits) times too large. A zero point is taken from all four bytes at once, with 128 added meanwhile, so
 * that none borrows from the next.
 */
function fourValues({ bits, zeros, tables }: WeightForm): { shift: number; values: string } {
  const mask = 2 ** bits - 1;
  const shift = zeros || tables ? 0 : 8 - bits;
  const joined = (byte: (j: number) => string) => [0, 1, 2, 3].map(byte).join(" | ");
  const spread = joined((j) => {
    return `((codes << vec4(${(8 - bits) * j + shift}u)) & vec4(${(mask << (8 * j + shift)) >>> 0}u))`;
  });
  const lookedUp = joined(
    (j) => `(entries(ofGroup + ((codes >> vec4(${bits * j}u)) & vec4(${mask}u))) << vec4(${8 * j}u))`,
  );
  const symmetric = bits === 8 ? "codes" : spread;
  const value = tables
    ? lookedUp
    : zeros
      ? `(((${spread}) | vec4(0x80808080u)) - ofGroup) ^ vec4(0x80808080u)`
      : symmetric;
  return {
    shift,
    values: `${tables ? entries("u32") : ""}
fn values(codes: vec4<u32>, ofGroup: vec4<u32>) -> vec4<u32> { return ${value}; }`,
  };
}

/** `fn dot4(x: u32, w: vec4<u32>) -> vec4<i32>`: four products each of x's word with those of four columns. */
const DOT4 = {
  builtin: /* wgsl */ `
fn dot4(x: u32, w: vec4<u32>) -> vec4<i32> {
  return vec4(dot4I8Packed(x, w.x), dot4I8Packed(x, w.y), dot4I8Packed(x, w.z), dot4I8Packed(x, w.w));
}`,
  /** Where WGSL lacks packed_4x8_integer_dot_product. */
  byHand: /* wgsl */ `
fn unpack(word: u32) -> vec4<i32> {
  return bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u);
}
fn dot4(x: u32, w: vec4<u32>) -> vec4<i32> {
  let v = unpack(x);
  return vec4(dot(v, unpack(w.x)), dot(v, unpack(w.y)), dot(v, unpack(w.z)), dot(v, unpack(w.w)));
}`,
};
