import { describe } from "vitest";
import { openGpu } from "../../src/kernels/webgpu/adapter.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import type { Gpu } from "../../src/kernels/webgpu/gpu.ts";

const probe = await openGpu();
probe?.close();

/** Is there an adapter? With REQUIRE_GPU=1 there has to be one. */
export const hasGpu = probe !== undefined || process.env.REQUIRE_GPU === "1";

/** `describe`, shown as skipped where there is no adapter; with REQUIRE_GPU=1 a missing adapter is a failure. */
export const describeGpu = describe.skipIf(!hasGpu);

/** A fresh device. */
export async function testGpu(): Promise<Gpu> {
  const gpu = await openGpu();
  if (!gpu) throw new Error("REQUIRE_GPU=1, and there is no WebGPU adapter");
  return gpu;
}

export async function testWebgpuBackend() {
  return webgpuBackend(await testGpu());
}
