import { expect, test, vi } from "vitest";
import { requestAdapter } from "../../src/kernels/webgpu/adapter.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import { Gpu } from "../../src/kernels/webgpu/gpu.ts";
import { Profile } from "../../src/kernels/webgpu/profile.ts";
import { clockOf, measureOn } from "../../src/kernels/webgpu/timestamps.ts";
import { PLAIN_TRAITS } from "../../src/kernels/webgpu/traits.ts";
import { uploadBatch } from "../../src/tensor/backend.ts";
import { describeGpu, testGpu } from "../support/gpu.ts";
import { randomizer } from "../support/random.ts";

/** A device that tells no time. */
async function timelessGpu(): Promise<Gpu> {
  const adapter = await requestAdapter();
  return new Gpu(await adapter!.requestDevice(), "timeless", { ...PLAIN_TRAITS, software: true });
}

const [ROWS, K, N] = [33, 64, 96];

describeGpu.each([
  ["timestamps", testGpu],
  ["wall time", timelessGpu],
] as const)("by %s", (clock, open) => {
  test("what takes longer is measured to take longer", async () => {
    const gpu = await open();
    expect(clockOf(gpu)).toBe(clock);
    const backend = webgpuBackend(gpu);
    const random = randomizer(1);
    const [x, w] = [backend.upload(random([64, 256])), backend.uploadLinear(random([256, 256], 0.1))];
    const run = () => backend.release(backend.linear(x, w));
    const measure = measureOn(gpu);
    await measure(run);
    /** The best of three: other work on the machine only adds. */
    const best = async (record: () => void) =>
      Math.min(await measure(record), await measure(record), await measure(record));
    const [one, ten] = [await best(run), await best(() => Array.from({ length: 10 }, run))];
    expect(one).toBeGreaterThan(0);
    expect(ten).toBeGreaterThan(3 * one);
    backend.close();
  });

  test("a profile has each kernel by shape, with its work, and changes no result", async () => {
    const gpu = await open();
    const backend = webgpuBackend(gpu);
    const random = randomizer(1);
    const numbers = random([ROWS, K]);
    const tapNumbers = random([N / 3, 3]);
    const weight = backend.uploadLinear(random([N, K], 0.1));
    const norm = { gamma: backend.upload(random([K])), beta: backend.upload(random([K])) };
    const compute = async () => {
      const x = backend.upload(numbers);
      const taps = backend.upload(tapNumbers);
      const y = backend.linear(x, weight, { norm, relu: true });
      const z = backend.linear(x, weight);
      const { attended } = backend.sanm(y, taps, 2, uploadBatch(backend, [30, 3]));
      await backend.flush();
      return [await backend.read(y), await backend.read(z), await backend.read(attended)];
    };
    const plain = await compute();
    const profile = new Profile(gpu);
    expect(profile.text()).toBeUndefined();
    expect(await compute()).toEqual(plain);
    expect(await compute()).toEqual(plain);
    const text = profile.text() ?? "";
    const [head, columns, ...lines] = text.split("\n");
    expect(head).toBe(
      `[profile] ${gpu.name}, times by ${clock}, a ${clock === "timestamps" ? "pass" : "submit"} for each dispatch`,
    );
    expect(columns).toMatch(/^kernel +shape +calls +µs +GFLOP\/s +GB\/s +share$/);
    const calls = (kernel: string) =>
      new RegExp(`^${kernel} +(\\d+) +([\\d.]+) +([\\d.]+|-) +([\\d.]+) +[\\d.]+ %$`, "m").exec(text);
    const [, count, us, gflops] = calls(`linear plain +${ROWS}x${K}x${N}`)?.map(Number) ?? [];
    expect(count).toBe(4);
    expect(Math.abs(gflops - (4 * 2 * ROWS * K * N) / us / 1000)).toBeLessThan(0.06);
    expect(calls(`layerNorm +${ROWS}x${K}`)?.slice(1, 2)).toEqual(["2"]);
    expect(calls(`layerNorm +${ROWS}x${K}`)?.[3]).toBe("-");
    expect(calls(`sanm plain +${ROWS}x${N / 3}`)?.[1]).toBe("2");
    expect(lines.at(-1)).toMatch(/^total +8 /);
    const times = lines.slice(0, -1).map((line) => Number(/ \d+ +([\d.]+) /.exec(line)?.[1]));
    expect(times).toEqual([...times].sort((a, b) => b - a));

    const print = vi.spyOn(console, "error").mockImplementation(() => {});
    backend.close();
    expect(print.mock.calls).toEqual([[text]]);
    print.mockRestore();
  });
});
