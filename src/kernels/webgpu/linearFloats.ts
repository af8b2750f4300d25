import { asF32 } from "../../tensor/f16.ts";
import type { HostTensor } from "../../tensor/host.ts";
import type { Gpu } from "./gpu.ts";
import { eachRow, type GpuWeight, type LinearKernel } from "./linearFrame.ts";
import { uploadTransposed } from "./uploadTransposed.ts";

/** f32 and f16 weights, [K, N rounded up to 4]. */
export function uploadFloats(gpu: Gpu, weight: HostTensor): GpuWeight {
  const dtype = weight.dtype === "f16" ? "f16" : "f32";
  const source = dtype === "f16" ? weight.data : asF32(weight);
  return {
    shape: weight.shape,
    kernel: dtype === "f32" ? KERNELS.f32 : gpu.hasF16 ? KERNELS.f16 : KERNELS.f16Packed,
    tensors: [uploadTransposed(gpu, source, dtype, weight.shape[0])],
  };
}

/** Σ x·w in f32, four k at a time; `read` makes four neighbouring columns at one k of what the buffer holds. */
const floatKernel = (type: string, read: string): LinearKernel => ({
  reads: { x: "array<vec4<f32>>", w: `array<${type}>` },
  declarations: `fn weight(i: u32) -> vec4<f32> { return ${read}; }`,
  rowLength: "p.k / 4",
  loop: /* wgsl */ `
  var i = id.x;
  for (var k = 0u; k < p.k / 4; k++) {
    let w0 = weight(i);
    let w1 = weight(i + stride);
    let w2 = weight(i + 2 * stride);
    let w3 = weight(i + 3 * stride);
    i += 4 * stride;
${eachRow((r) => `    let v${r} = x[x${r} + k];`)}
${eachRow((r) => `    sum${r} += v${r}.x * w0 + v${r}.y * w1 + v${r}.z * w2 + v${r}.w * w3;`)}
  }`,
  value: "sum[c]",
});

const KERNELS = {
  f32: floatKernel("vec4<f32>", "w[i]"),
  f16: floatKernel("vec4<f16>", "vec4<f32>(w[i])"),
  /** f16 numbers where the adapter has no shader-f16: the same bits, unpacked by hand. */
  f16Packed: floatKernel("vec2<u32>", "vec4<f32>(unpack2x16float(w[i].x), unpack2x16float(w[i].y))"),
};
