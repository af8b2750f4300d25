import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadKernels, multipliesInt8 } from "../../src/kernels/wasm/module.ts";

const bytes = readFileSync(new URL("../../src/kernels/wasm/kernels-relaxed.wasm", import.meta.url));
const hasRelaxed = WebAssembly.validate(bytes);

test("int16 pairs are always among the int8 products, and what is chosen comes out right", async () => {
  const { module, int8 } = await loadKernels();
  expect(int8.at(-1)).toEqual({ kind: "i16", offset: 0, bits: 8 });
  for (const products of int8) expect(multipliesInt8(module, products)).toBe(true);
});

describe.skipIf(!hasRelaxed)("relaxed dot products (Node 22 and later)", () => {
  const module = hasRelaxed ? new WebAssembly.Module(bytes) : undefined;

  for (const kind of ["pairs", "quads"] as const) {
    test(`${kind}: one way to take x suits 7 bits, and the other is found out`, () => {
      const right = ([0, 128] as const).map((offset) => multipliesInt8(module!, { kind, offset, bits: 7 }));
      expect(right.toSorted()).toEqual([false, true]);
    });

    test(`${kind}: weights of 8 bits where no x is negative`, () => {
      expect(multipliesInt8(module!, { kind, offset: 0, bits: 8, positive: true })).toBe(true);
    });
  }
});
