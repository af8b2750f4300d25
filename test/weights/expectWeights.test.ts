import { describe, expect, test } from "vitest";
import { createPause } from "../../src/pause.ts";
import { bf16ToF32, f16ToF32 } from "../../src/tensor/f16.ts";
import { expectWeights } from "../../src/weights/expectWeights.ts";

describe("expectWeights", () => {
  const pause = createPause();

  test("every f16 and bf16, in either half of a word and in none: finite or not", async () => {
    for (const [dtype, toF32] of [
      ["f16", f16ToF32],
      ["bf16", bf16ToF32],
    ] as const) {
      for (let bits = 0; bits < 0x10000; bits++) {
        const finite = Number.isFinite(toF32(Uint16Array.of(bits))[0]);
        for (const at of [0, 1, 2]) {
          const data = Uint16Array.of(0xffff, 0xffff, 0xffff).fill(0x3c01).with(at, bits);
          const checked = expectWeights("w", { dtype, shape: [3], data }, pause);
          if (
            (await checked.then(
              () => true,
              () => false,
            )) !== finite
          )
            expect.fail(`${dtype} ${bits} at ${at}`);
        }
      }
    }
  });

  test("f32: the largest, the smallest, -0; then each kind of what is no number, anywhere", async () => {
    const data = Float32Array.of(3.4028234663852886e38, -3.4028234663852886e38, 2 ** -149, -0, 1);
    await expectWeights("w", { dtype: "f32", shape: [5], data }, pause);
    const long = new Float32Array(2 ** 17 + 3);
    for (const [at, bits] of [
      [0, 0x7f800001],
      [2 ** 16, 0xff800000],
      [2 ** 17 + 2, 0x7fffffff],
    ]) {
      const bad = Float32Array.from(long);
      new Uint32Array(bad.buffer)[at] = bits;
      const got = bits === 0xff800000 ? "-Infinity" : "NaN";
      await expect(expectWeights("w", { dtype: "f32", shape: [bad.length], data: bad }, pause)).rejects.toThrow(
        `[weights] w: expected finite numbers, got ${got} at ${at}`,
      );
    }
  });

  test("the event loop gets its turns", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const data = new Float32Array(2 ** 25).fill(1);
    await expectWeights("w", { dtype: "f32", shape: [data.length], data }, createPause());
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
  });
});
