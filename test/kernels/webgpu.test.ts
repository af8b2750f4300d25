import { describeGpu, testWebgpuBackend } from "../support/gpu.ts";
import { kernelCases } from "./cases.ts";
import { convolutionCases } from "./convolutionCases.ts";

describeGpu("WebGPU against the reference", () => {
  kernelCases(testWebgpuBackend);
  convolutionCases(testWebgpuBackend);
});
