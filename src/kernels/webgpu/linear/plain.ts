import { asF32 } from "../../../tensor/f16.ts";
import type { HostTensor } from "../../../tensor/host.ts";
import type { DeviceTraits } from "../traits.ts";
import { uploadTransposed } from "./columns.ts";
import { head } from "./head.ts";
import type { Layout, LinearKernel, WeightForm } from "./kernel.ts";
import { codesColumns, codesLoop, codesParams } from "./plainCodes.ts";
import { int8Columns, int8Loop, int8Params } from "./plainInt8.ts";
import { eachRow, type Loop, PATCH } from "./plainLoop.ts";

/** Lanes of a workgroup along rows and columns: it makes 32 × 32 outputs. */
const LANES = 8;

/** Weights turned over, [K, N rounded up to 4], so that neighbouring lanes read neighbouring vec4s. */
const columns: Layout = {
  reads: (form, device) => {
    if (form.values === "codes") return form.int8 ? int8Columns.reads(form, device) : codesColumns.reads(form, device);
    const type = form.values === "f32" ? "vec4<f32>" : device.f16 ? "vec4<f16>" : "vec2<u32>";
    return { w: `array<${type}>` };
  },
  upload: (gpu, weight) => {
    if (weight.dtype === "quantized") {
      return (weight.activation === undefined ? codesColumns : int8Columns).upload(gpu, weight);
    }
    const dtype = weight.dtype === "f16" ? "f16" : "f32";
    return [uploadTransposed(gpu, floatsOf(weight), dtype, weight.shape[0])];
  },
};

/** The numbers as they are uploaded: f16 as its bits, all else as f32. */
export function floatsOf(weight: HostTensor) {
  return weight.dtype === "f16" ? weight.data : asF32(weight);
}

/**
 * y = relu?(x · wᵀ + bias + residual) for weights of every form, on every device; other kernels are checked against it. No
 * workgroup memory: a lane keeps a 4 × 4 patch of sums in registers and goes along K; the rows of x that lanes share
 * come out of the cache.
 */
export const plain: LinearKernel = {
  name: "plain",
  layout: columns,
  tile: [LANES * PATCH, LANES * PATCH],
  supports: () => true,
  params: (form) => (form.values !== "codes" ? {} : form.int8 ? int8Params(form) : codesParams(form)),
  fuses: false,
  wgsl: (variant) => {
    const { form, device } = variant;
    const { declarations = "", rowLength, loop, value } = loopOf(form, device);
    return /* wgsl */ `
${form.values === "f16" && device.f16 ? "enable f16;" : ""}
${head(plain, variant)}
${declarations}
fn storePatch(row: u32, column: u32, sum: vec4<f32>) {
  if (row >= p.rows) { return; }
  let value = ${value};
  for (var c = 0u; c < min(${PATCH}u, p.n - column); c++) { store(row, column + c, value[c]); }
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
${eachRow((r) => `  storePatch(row + ${r}, column, sum${r});`)}
}`;
  },
};

function loopOf(form: WeightForm, device: DeviceTraits): Loop {
  if (form.values === "codes") return form.int8 ? int8Loop(form, device) : codesLoop(form);
  if (form.values === "f32") return floatLoop("w[i]");
  if (device.f16) return floatLoop("vec4<f32>(w[i])");
  // Where the adapter has no shader-f16: the same bits, unpacked by hand.
  return floatLoop("vec4<f32>(unpack2x16float(w[i].x), unpack2x16float(w[i].y))");
}

/** Σ x·w in f32, four k at a time; `read` makes four neighbouring columns at one k of what the buffer holds. */
const floatLoop = (read: string): Loop => ({
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
  value: "sum",
});
