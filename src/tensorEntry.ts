/** `sensevoice/tensor`: tensors, kernels and backends, to compute with them directly. */
export { SenseVoiceError } from "./error.ts";
export { referenceBackend } from "./kernels/reference/backend.ts";
export { createWasmBackend as createCpuBackend } from "./kernels/wasm/backend.ts";
export { openGpu } from "./kernels/webgpu/adapter.ts";
export { webgpuBackend } from "./kernels/webgpu/backend.ts";
export type { Dispatch, Gpu, GpuTensor } from "./kernels/webgpu/gpu.ts";
export type { Kernel } from "./kernels/webgpu/pipelines.ts";
export {
  type Backend,
  type Batch,
  type CtcHead,
  type LinearOptions,
  type LinearWeight,
  type Norm,
  type Sanm,
  type Tensor,
  uploadBatch,
} from "./tensor/backend.ts";
export type { DType, HostTensor } from "./tensor/host.ts";
export type { QuantizedTensor, Weight } from "./tensor/quantized.ts";
