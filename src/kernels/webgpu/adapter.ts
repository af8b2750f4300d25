import { SenseVoiceError } from "../../error.ts";
import { Gpu } from "./gpu.ts";
import { provenMatrices } from "./linear/selfTest.ts";
import { traitsOf } from "./traits.ts";

/**
 * Dawn's switches for Node. `disable_workgroup_init`: no kernel here reads workgroup memory that it did not write,
 * and clearing it costs SwiftShader a second a pipeline. `vulkan_enable_f16_on_nvidia`: shader-f16 where NVIDIA's
 * driver has it. `allow_unsafe_apis`: subgroup matrices, which WGSL does not have for good yet.
 * `timestamp_quantization` rounds times to 0.1 ms.
 */
const DAWN_FLAGS = [
  "enable-dawn-features=disable_workgroup_init,vulkan_enable_f16_on_nvidia,allow_unsafe_apis",
  "disable-dawn-features=timestamp_quantization",
];

/** What kernels make use of, where the adapter has it; @webgpu/types does not know all of them. */
const FEATURES = [
  ...["shader-f16", "subgroups", "subgroup-size-control", "chromium-experimental-subgroup-matrix"],
  "timestamp-query",
];

let gpu: Promise<GPU | undefined> | undefined;

/** The browser's `navigator.gpu`, or Dawn's through the npm package `webgpu`; undefined where there is neither. */
function webgpu(): Promise<GPU | undefined> {
  gpu ??= (async () => {
    const own = (globalThis.navigator as Navigator | undefined)?.gpu;
    if (own || typeof process === "undefined") return own;
    if (process.platform === "linux" && !hasVulkanLoader()) return undefined;
    try {
      return (await import("webgpu")).create(DAWN_FLAGS) as GPU;
    } catch {
      return undefined; // no binary for this platform
    }
  })();
  return gpu;
}

/** Dawn writes a warning of its own to stderr where the loader is missing, so ask the dynamic linker first. */
function hasVulkanLoader(): boolean {
  try {
    process.dlopen({ exports: {} }, "libvulkan.so.1");
    return true;
  } catch (error) {
    return !/cannot open shared object|no such file/i.test(String(error)); // it opened, but is no Node addon
  }
}

/**
 * A WebGPU adapter, the fast one where there are several; undefined if there is none. With `hardware` one in
 * software (SwiftShader, lavapipe) counts as none. A device consumes its adapter: ask anew for each.
 */
export async function requestAdapter(options: { hardware?: boolean } = {}): Promise<GPUAdapter | undefined> {
  const adapter = await (await webgpu())?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter || (options.hardware && isSoftware(adapter))) return undefined;
  return adapter;
}

export function isSoftware(adapter: GPUAdapter): boolean {
  const { isFallbackAdapter, architecture, description, device } = adapter.info;
  return isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|warp/i.test(`${architecture} ${description} ${device}`);
}

/** Name of an adapter to show: what the driver says of itself. */
export function adapterName({ info }: GPUAdapter): string {
  const parts = [info.vendor, info.architecture, info.device, info.description].filter(Boolean);
  return [...new Set(parts)].join(" ") || "unknown adapter";
}

/** A device with the adapter's own limits (the defaults stop at 128 MiB a binding) and FEATURES where it has them. */
export async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const limits = [
    "maxBufferSize",
    "maxStorageBufferBindingSize",
    "maxComputeWorkgroupStorageSize",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupSizeX",
  ] as const;
  const features = FEATURES.filter((name) => adapter.features.has(name)) as GPUFeatureName[];
  try {
    return await adapter.requestDevice({
      requiredFeatures: features,
      requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
    });
  } catch (error) {
    throw new SenseVoiceError(`[webgpu] ${adapterName(adapter)} gave no device: ${(error as Error).message}`);
  }
}

/** The GPU to compute on, or undefined if there is none; with `hardware` one in software does not count. */
export async function openGpu(options: { hardware?: boolean } = {}): Promise<Gpu | undefined> {
  const adapter = await requestAdapter(options);
  if (!adapter) return undefined;
  const device = await requestDevice(adapter);
  const wgslFeatures = (await webgpu())?.wgslLanguageFeatures;
  const gpu = new Gpu(device, adapterName(adapter), traitsOf(device, adapter.info, isSoftware(adapter), wgslFeatures));
  if (!gpu.traits.software) gpu.traits = { ...gpu.traits, proven: await provenMatrices(gpu) };
  return gpu;
}
