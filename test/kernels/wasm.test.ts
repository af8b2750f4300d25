import { describe, expect, test } from "vitest";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";
import { revectorizes } from "../../src/kernels/wasm/platform.ts";
import { kernelCases } from "./cases.ts";
import { convolutionCases } from "./convolutionCases.ts";

for (const threads of [1, 2, 3]) {
  describe(`WASM on ${threads} threads against the reference`, () => {
    kernelCases(() => createWasmBackend({ threads }));
    convolutionCases(() => createWasmBackend({ threads }), { int8: 0 });
  });
}

/** As if the process had been started with V8's flag: the build for it is right without it, only slow. */
async function asIfWide<T>(run: () => T | Promise<T>): Promise<T> {
  process.execArgv.push("--experimental-wasm-revectorize");
  try {
    return await run();
  } finally {
    process.execArgv.pop();
  }
}

describe.skipIf(!(await asIfWide(revectorizes)))("WASM in tiles for wide vectors (Node 24 on x86)", () => {
  test("says so", async () => {
    const backend = await asIfWide(() => createWasmBackend({ threads: 1 }));
    expect(backend.description).toContain("256 bits");
    backend.close();
  });

  kernelCases(() => asIfWide(() => createWasmBackend({ threads: 2 })));
  convolutionCases(() => asIfWide(() => createWasmBackend({ threads: 2 })), { int8: 0 });
});
