// A WGSL kernel of one's own: y = silu(x). npx tsx examples/own-kernel.ts (needs a GPU, or npm run swgpu -- …)
import { type Kernel, openGpu } from "../src/tensorEntry.ts"; // from "sensevoice/tensor" in your own project

const gpu = await openGpu();
if (!gpu) throw new Error("there is no GPU");
const x = gpu.createTensor([1000]);
const y = gpu.createTensor([1000]);
gpu.write(
  x,
  Float32Array.from({ length: 1000 }, (_, i) => i / 100 - 5),
);
const silu: Kernel = {
  name: "silu",
  wgsl: /* wgsl */ `
    struct Params { count: u32 }
    @group(0) @binding(0) var<uniform> p: Params;
    @group(0) @binding(1) var<storage, read> x: array<f32>;
    @group(0) @binding(2) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3<u32>) {
      if (id.x < p.count) { y[id.x] = x[id.x] / (1.0 + exp(-x[id.x])); }
    }`,
  reads: 1,
  writes: 1,
}; // made once: the pipeline is found by the object
gpu.dispatch({
  kernel: silu,
  params: [1000],
  reads: [x],
  writes: [y],
  workgroups: [Math.ceil(1000 / 64)],
});
console.log((await gpu.read(y))[700].toFixed(4)); // silu(2) = 1.7616
gpu.close();
