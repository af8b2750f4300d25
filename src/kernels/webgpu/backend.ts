import type { Backend } from "../../tensor/backend.ts";
import { asF32 } from "../../tensor/f16.ts";
import type { HostTensor } from "../../tensor/host.ts";
import { attention } from "./attention.ts";
import { ctcGreedy, ctcLogProbs } from "./ctc.ts";
import { fsmn } from "./fsmn.ts";
import type { Gpu, GpuTensor } from "./gpu.ts";
import { layerNorm } from "./layerNorm.ts";
import { linear, uploadLinear } from "./linear.ts";

/** The model's operations as WGSL kernels; each is in the file of its name. */
export function webgpuBackend(gpu: Gpu): Backend {
  return {
    name: "webgpu",
    description: gpu.name,
    upload: (tensor: HostTensor) => {
      const dtype = tensor.dtype === "u32" ? "u32" : "f32";
      const uploaded = gpu.createTensor(tensor.shape, dtype);
      gpu.write(uploaded, dtype === "u32" ? tensor.data : asF32(tensor));
      return uploaded;
    },
    uploadLinear: uploadLinear(gpu),
    layerNorm: layerNorm(gpu),
    linear: linear(gpu),
    attention: attention(gpu),
    fsmn: fsmn(gpu),
    ctcGreedy: ctcGreedy(gpu),
    ctcLogProbs: ctcLogProbs(gpu),
    scope: (record: () => GpuTensor) => gpu.scope(record),
    release: (tensor: GpuTensor) => gpu.release(tensor),
    read: (tensor: GpuTensor) => gpu.read(tensor),
    memory: () => gpu.bytes,
    close: () => gpu.close(),
  };
}
