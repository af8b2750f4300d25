import fc from "fast-check";
import { expect, test } from "vitest";
import { createQuickSum } from "../../src/weights/quickSum.ts";

function sumOf(...parts: Uint8Array[]): number {
  const sum = createQuickSum();
  for (const part of parts) sum.update(part);
  return sum.digest();
}

const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });

test("the sum does not depend on how the bytes come", () => {
  fc.assert(
    fc.property(bytes, fc.nat(40), fc.nat(40), (all, a, b) => {
      const [first, second] = [Math.min(a, b), Math.max(a, b)];
      const parts = [all.subarray(0, first), all.subarray(first, second), all.subarray(second)];
      expect(sumOf(...parts)).toBe(sumOf(all));
    }),
  );
});

test("another byte, one more or one less is another sum", () => {
  fc.assert(
    fc.property(bytes, fc.nat(39), fc.integer({ min: 1, max: 255 }), (all, at, change) => {
      const damaged = all.slice();
      damaged[at % all.length] ^= change;
      expect(sumOf(damaged)).not.toBe(sumOf(all));
      expect(sumOf(Uint8Array.of(...all, 0))).not.toBe(sumOf(all));
      expect(sumOf(all.subarray(1))).not.toBe(sumOf(all));
    }),
  );
});
