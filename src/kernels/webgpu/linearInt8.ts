import type { QuantizedTensor } from "../../tensor/quantized.ts";
import type { Gpu } from "./gpu.ts";
import { eachRow, type GpuWeight, type LinearKernel } from "./linearFrame.ts";
import { uploadTransposed } from "./uploadTransposed.ts";

/** Weights of 8 bits whose products are summed as integers: words [⌈K/32⌉·8, N rounded up to 4] of four int8 along K. */
export function uploadInt8(gpu: Gpu, { shape, codes, scales, activation }: QuantizedTensor): GpuWeight {
  const [n] = shape;
  const signed = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) signed[i] = codes[i] ^ 0x80808080; // code c stands for c − 128
  const perColumn = scales.length === n ? scales : new Float32Array(n).fill(scales[0]);
  return {
    shape,
    kernel: gpu.hasInt8Dot ? KERNELS.builtin : KERNELS.byHand,
    tensors: [uploadTransposed(gpu, signed, "u32", n), uploadTransposed(gpu, perColumn, "f32", n)],
    activation,
  };
}

/**
 * f32(Σ q·w) · (s · scale), sums in i32, sixteen k at a time. In QuantizedTensor.activation's order of steps, and with
 * no product fused with the sum after it, y is the reference's to the bit.
 *
 * @param dot4 `fn dot4(x: u32, w: vec4<u32>) -> vec4<i32>`: four products each of x's word with those of four columns
 */
const int8Kernel = (dot4: string): LinearKernel => ({
  reads: {
    ...{ x: "array<vec4<u32>>", rowScales: "array<f32>" },
    ...{ w: "array<vec4<u32>>", scales: "array<f32>" },
  },
  params: { zero: 0 },
  declarations: /* wgsl */ `${dot4}
// The compiler does not know that p.zero is 0, so it cannot fuse a product with the sum after it.
fn rounded(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ p.zero); }`,
  rowLength: "(p.k + 15) / 16",
  sums: "vec4<i32>",
  loop: /* wgsl */ `
  var i = id.x;
  for (var k = 0u; k < (p.k + 15) / 16; k++) {
    let w0 = w[i];
    let w1 = w[i + stride];
    let w2 = w[i + 2 * stride];
    let w3 = w[i + 3 * stride];
    i += 4 * stride;
${eachRow((r) => `    let v${r} = x[x${r} + k];`)}
${eachRow((r) => `    sum${r} += dot4(v${r}.x, w0) + dot4(v${r}.y, w1) + dot4(v${r}.z, w2) + dot4(v${r}.w, w3);`)}
  }`,
  value: "rounded(f32(sum[c]) * (rowScales[p.firstRow + row] * scales[column + c]))",
});

const KERNELS = {
  builtin: int8Kernel(/* wgsl */ `
fn dot4(x: u32, w: vec4<u32>) -> vec4<i32> {
  return vec4(dot4I8Packed(x, w.x), dot4I8Packed(x, w.y), dot4I8Packed(x, w.z), dot4I8Packed(x, w.w));
}`),
  /** Where WGSL lacks packed_4x8_integer_dot_product. */
  byHand: int8Kernel(/* wgsl */ `
fn unpack(word: u32) -> vec4<i32> {
  return bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u);
}
fn dot4(x: u32, w: vec4<u32>) -> vec4<i32> {
  let v = unpack(x);
  return vec4(dot(v, unpack(w.x)), dot(v, unpack(w.y)), dot(v, unpack(w.z)), dot(v, unpack(w.w)));
}`),
};
