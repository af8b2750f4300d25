import { afterEach, expect, test, vi } from "vitest";
import { createWasmBackend } from "../../src/kernels/wasm/backend.ts";

afterEach(() => vi.unstubAllGlobals());

/** A runtime that refuses memories which may grow beyond so many pages, as phones' browsers do. */
function allowPages(most: number): number[] {
  const asked: number[] = [];
  const { Memory } = WebAssembly;
  const Limited = new Proxy(Memory, {
    construct(target, [descriptor]: [WebAssembly.MemoryDescriptor]) {
      const { maximum = 0 } = descriptor;
      if (maximum > 9) asked.push(maximum);
      if (maximum > most) throw new RangeError("could not allocate memory");
      return new target(descriptor);
    },
  });
  vi.stubGlobal("WebAssembly", Object.assign(Object.create(WebAssembly), { Memory: Limited }));
  return asked;
}

test.for([
  [65_535, [65_535]],
  [32_768, [65_535, 32_768]],
  [16_384, [65_535, 32_768, 16_384]],
  [8192, [65_535, 32_768, 16_384, 8192]],
] as const)("where memory may have %i pages at most, ceilings are tried in turn", async ([most, tried]) => {
  const asked = allowPages(most);
  const backend = await createWasmBackend({ threads: 2 });
  expect(asked).toEqual(tried);
  const x = backend.upload({ dtype: "f32", shape: [2, 8], data: new Float32Array(16).fill(2) });
  expect(await backend.read(x)).toEqual(new Float32Array(16).fill(2));
  const bytes = most * 65_536;
  const tooLarge = () => {
    for (let i = 0; i < 5; i++) backend.upload({ dtype: "f32", shape: [2 ** 28, 1], data: new Float32Array(1) });
  };
  expect(tooLarge).toThrow(/^\[cpu\] out of memory: \d+ MiB are needed/);
  expect(backend.memory()).toBeLessThanOrEqual(bytes);
  backend.close();
});

test("half a GiB is the least: one line", async () => {
  allowPages(8191);
  await expect(createWasmBackend({ threads: 1 })).rejects.toThrow(
    "[cpu] out of memory: no 512 MiB of addresses are left: close other engines",
  );
});
