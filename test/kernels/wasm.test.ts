import { describe } from "vitest";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import { kernelCases } from "./cases.ts";

for (const threads of [1, 2, 3]) {
  describe(`WASM on ${threads} threads against the reference`, () => {
    kernelCases(() => createWasmBackend({ threads }));
  });
}
