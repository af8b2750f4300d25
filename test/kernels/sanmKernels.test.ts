import { afterAll, expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import type { SanmKernel } from "../../src/kernels/webgpu/attention/kernel.ts";
import { SANM_KERNELS, sanmKernelFor, sanmKernels } from "../../src/kernels/webgpu/attention/kernels.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import type { Gpu } from "../../src/kernels/webgpu/gpu.ts";
import { type DeviceTraits, PLAIN_TRAITS } from "../../src/kernels/webgpu/traits.ts";
import { type Backend, type LinearWeight, type Tensor, uploadBatch } from "../../src/tensor/backend.ts";
import { describeGpu, hasGpu, testGpu } from "../support/gpu.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

/** Rows of the clips of a batch: less than a block of queries or keys, one less or more, several; alone and together. */
const BATCHES = [[1], [3], [31], [33], [54], [127], [171], [504], [1, 31, 4, 70, 65], [129, 16, 200]];
const HEADS = 2;

const gpu = hasGpu ? await testGpu() : undefined;

describeGpu("every kernel of SANM against the reference", () => {
  // Without a GPU the tests are shown as skipped, of any device's kernels.
  const traits = gpu?.traits ?? PLAIN_TRAITS;
  const worst = new Map<string, number>();
  afterAll(() => {
    for (const [kernel, error] of worst) console.info(`sanm ${kernel}: largest error ${error.toExponential(1)}`);
    gpu?.close();
  });

  /** @param first the first number of each q, in turn, and of each k, which adds the same to all scores of a query; all are whole */
  async function expectRight(
    kernel: SanmKernel,
    [width, j]: readonly [width: number, taps: number],
    lengths: readonly number[],
    first?: readonly [q: readonly number[], k: number],
  ): Promise<void> {
    const rows = lengths.reduce((sum, length) => sum + length);
    const [d, random] = [HEADS * width, randomizer(rows + width)];
    const [qkv, taps, added] = [random([rows, 3 * d], 3), random([d, j]), random([rows, d])];
    if (first) qkv.data.set(qkv.data.map((value) => Math.round(value)));
    for (let row = 0; first && row < rows; row++) {
      for (let column = 0; column < d; column += width) {
        qkv.data[row * 3 * d + column] = first[0][row % first[0].length];
        qkv.data[row * 3 * d + d + column] = first[1];
      }
    }
    const compute = async <T extends Tensor, W extends LinearWeight<T>>(b: Backend<T, W>) => {
      const residual = width === 128 ? b.upload(added) : undefined; // one way a width: each is a pipeline to build
      const made = b.sanm(b.upload(qkv), b.upload(taps), HEADS, uploadBatch(b, lengths), residual);
      return { attended: await b.read(made.attended), memory: await b.read(made.memory) };
    };
    const got = await compute(webgpuBackend(gpu as Gpu, { attention: kernel.name }));
    const expected = await compute(referenceBackend());
    const error = relativeError(got.attended, expected.attended, 1);
    worst.set(kernel.name, Math.max(worst.get(kernel.name) ?? 0, error));
    expect(error, "attended").toBeLessThanOrEqual(kernel.matrix ? TOLERANCE.matrix : TOLERANCE.kernel);
    const ofMemory = relativeError(got.memory, expected.memory, 1);
    expect(ofMemory, "memory").toBeLessThanOrEqual(TOLERANCE.kernel);
  }

  for (const kernel of SANM_KERNELS) {
    for (const [width, j] of [
      [128, 11],
      [64, 5],
      [32, 3],
      [12, 1],
    ]) {
      const able = kernel.supports(traits, width);
      if (!able && width !== 128) continue;
      // Other widths are other text, but not other numbers of rows.
      for (const lengths of width === 128 ? BATCHES : [[33], [1, 31, 4, 70, 65]]) {
        const name = `${kernel.name}: heads of ${width}, ${j} taps, clips of ${lengths.join(", ")} rows`;
        test.skipIf(!able)(name, () => expectRight(kernel, [width, j], lengths));
      }
    }
  }

  for (const kernel of SANM_KERNELS) {
    test.skipIf(!kernel.supports(traits, 128))(`${kernel.name}: scores of ±90 neither overflow nor vanish`, () => {
      return expectRight(kernel, [128, 11], [150, 20], [[32, -32], 32]);
    });
  }

  const hardware: DeviceTraits = {
    ...{ ...PLAIN_TRAITS, f16: true, f16Matrix: { m: 16, n: 16, k: 16 }, workgroupBytes: 49152, proven: ["f16"] },
  };
  const names = (device: DeviceTraits, width: number) => {
    return sanmKernels(device, width, undefined).map(({ name }) => name);
  };

  test("a device in hardware gets tiles, or matrices that are proven; one in software the plain kernel", () => {
    expect(names({ ...hardware, software: true }, 128)).toEqual(["plain"]);
    expect(names({ ...hardware, proven: [] }, 128)).toEqual(["tile"]);
    expect(names(hardware, 128)).toEqual(["matrix 16", "matrix 32"]);
    expect(names({ ...hardware, workgroupBytes: 16384 }, 128)).toEqual(["plain"]);
    expect(names(hardware, 12)).toEqual(["plain"]);
  });

  test("few queries a workgroup where many would leave most of a GPU idle", () => {
    const chosen = (...lengths: number[]) => sanmKernelFor(sanmKernels(hardware, 128, undefined), 4, lengths).name;
    expect([chosen(187), chosen(504), chosen(187, 187, 187)]).toEqual(["matrix 16", "matrix 32", "matrix 32"]);
  });

  test("a kernel that is not there, or not for heads so wide, is refused by name", () => {
    const heads = (width: number, name: string) => () => sanmKernels(traits, width, name);
    expect(heads(128, "best")).toThrow("[sanm] kernel: expected one of plain, tile, matrix 16");
    expect(heads(12, "tile")).toThrow("[sanm] kernel tile: not for heads of 12 columns on this device");
  });
});
