import { describeGpu, testWebgpuBackend } from "../support/gpu.ts";
import { kernelCases } from "./cases.ts";

describeGpu("WebGPU against the reference", () => kernelCases(testWebgpuBackend));
