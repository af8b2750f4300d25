import { afterAll, expect, test } from "vitest";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { webgpuBackend } from "../../src/kernels/webgpu/backend.ts";
import type { Gpu } from "../../src/kernels/webgpu/gpu.ts";
import { formOf, kernelFor, type LinearKernel } from "../../src/kernels/webgpu/linear/kernel.ts";
import { kernelsFor, LINEAR_KERNELS } from "../../src/kernels/webgpu/linear/kernels.ts";
import { provenMatrices } from "../../src/kernels/webgpu/linear/selfTest.ts";
import { type DeviceTraits, PLAIN_TRAITS } from "../../src/kernels/webgpu/traits.ts";
import { f32ToF16 } from "../../src/tensor/f16.ts";
import type { HostTensor } from "../../src/tensor/host.ts";
import { packCodes, type Weight } from "../../src/tensor/quantized.ts";
import { type Computation, runnerOf, topOf } from "../support/backend.ts";
import { describeGpu, hasGpu, testGpu } from "../support/gpu.ts";
import { type RandomScheme, randomQuantized } from "../support/quantized.ts";
import { randomizer } from "../support/random.ts";
import { relativeError, TOLERANCE } from "../support/tolerances.ts";

/**
 * Rows that are less than a tile, a tile less or more one, several; with columns that are no multiple of one. Of widths only
 * two, since each is a pipeline to build: less than a stage and no multiple of 8, and several stages and a part of one.
 */
const SHAPES: readonly [rows: number, k: number, n: number][] = [
  [1, 560, 33],
  [3, 36, 31],
  [31, 560, 256],
  [33, 36, 65],
  [54, 560, 64],
  [127, 36, 33],
  [171, 560, 100],
  [504, 36, 40],
];

/** The same behind a layer norm, where rows whose parts are even among lanes matter too. */
const NORMED = SHAPES.map(([rows, k, n]) => [rows, k === 36 ? 96 : k, n] as const);

/** Rows that are too long for a kernel to make int8 rows of them itself, and too many of them, or of columns. */
const LARGE: readonly [rows: number, k: number, n: number][] = [
  [33, 644, 65],
  [2049, 644, 4],
  [1, 644, 4100],
];

/** Schemes with what kernels tell apart: few bits and many, rows and groups, zero points, each kind of table. */
const SCHEMES: readonly RandomScheme[] = [
  { bits: 8, scale: "row" },
  { bits: 4, scale: 32 },
  { bits: 3, scale: "row", tables: "group" },
  { bits: 5, scale: 64, tables: "matrix" },
  { bits: 2, scale: "matrix", zeros: true },
  { bits: 4, scale: "matrix", tables: "row" },
  { bits: 7, scale: 64, zeros: true },
  { bits: 6, scale: 128 },
];
const INT8_SCHEMES = SCHEMES.map((scheme, i): RandomScheme => ({ ...scheme, activation: i % 2 ? 0.01 : "dynamic" }));

const gpu = hasGpu ? await testGpu() : undefined;

describeGpu("every kernel of linear against the reference", () => {
  // Without a GPU the tests are shown as skipped, of any device's kernels.
  const traits = gpu?.traits ?? PLAIN_TRAITS;
  const reference = runnerOf(referenceBackend());
  const worst = new Map<string, number>();
  afterAll(() => {
    for (const [kind, error] of worst) console.info(`${kind}: largest error ${error.toExponential(1)}`);
    gpu?.close();
  });

  async function errorOf(kernel: LinearKernel, { shape, weight, norm }: Case): Promise<number> {
    const [rows, k, n] = shape;
    const random = randomizer(rows + k);
    const [x, bias, residual] = [random([rows, k], norm ? 20 : 1), random([n]), random([rows, n])];
    const [gamma, beta] = [random([k]), random([k])];
    const compute: Computation = (b) => {
      const rest = norm
        ? { norm: { gamma: b.upload(gamma), beta: b.upload(beta) } }
        : { relu: true, residual: b.upload(residual) };
      return b.linear(b.upload(x), b.uploadLinear(weight), { bias: b.upload(bias), ...rest });
    };
    const forced = runnerOf(webgpuBackend(gpu as Gpu, { linear: kernel.name }));
    const [got, expected] = await Promise.all([forced, reference].map(({ run }) => run(compute)));
    expect(expected.some((v) => v !== 0)).toBe(true);
    const error = relativeError(got, expected, 1);
    const kind = `${kernel.name}, ${weight.dtype}`;
    worst.set(kind, Math.max(worst.get(kind) ?? 0, error));
    return error;
  }

  const floats = ([, k, n]: readonly number[], dtype: "f32" | "f16"): HostTensor => {
    const f32 = randomizer(k + n)([n, k], 0.1);
    return dtype === "f32" ? f32 : { ...f32, dtype, data: f32ToF16(f32.data as Float32Array) };
  };

  /** A test of the cases that the kernel takes. */
  function testCases(name: string, kernel: LinearKernel, all: readonly Case[]): void {
    const cases = all.filter(({ weight }) => kernel.supports(traits, formOf(weight)));
    if (cases.length === 0) return;
    test(`${kernel.name}: ${name}`, async () => {
      for (const each of cases) {
        const what = JSON.stringify({ shape: each.shape, norm: each.norm, ...formOf(each.weight) });
        expect(await errorOf(kernel, each), what).toBeLessThanOrEqual(each.tolerance);
      }
    });
  }

  for (const kernel of LINEAR_KERNELS) {
    const tolerance = kernel.matrix ? TOLERANCE.matrix : TOLERANCE.kernel;
    // In front of other kernels a layer norm is a kernel of its own.
    for (const norm of kernel.fuses ? [false, true] : [false]) {
      const behind = norm ? " behind a layer norm" : "";
      const shapes = norm ? NORMED : SHAPES;
      for (const dtype of ["f32", "f16"] as const) {
        const cases = shapes.map((shape) => ({ shape, weight: floats(shape, dtype), norm, tolerance }));
        testCases(`${dtype} at every shape${behind}`, kernel, cases);
      }
      // Four schemes a kernel, each at one width.
      const kinds = kernel.fuses ? 2 : 4;
      const firstKind = 2 * LINEAR_KERNELS.indexOf(kernel) + (norm ? 4 : 0);
      const inTurn = (schemes: readonly RandomScheme[], toleranceOf: (scheme: RandomScheme) => number) =>
        shapes.map((shape, i) => {
          const scheme = schemes[(firstKind + (i % kinds)) % schemes.length];
          const weight = randomQuantized(i, [shape[2], shape[1]], scheme);
          return { shape, weight, norm, tolerance: toleranceOf(scheme) };
        });
      const codes = inTurn(SCHEMES, () => tolerance);
      testCases(`codes of each kind${behind}`, kernel, codes);
      const int8 = inTurn(INT8_SCHEMES, ({ activation }) => {
        // A device whose division is not exact may turn a code of the row in int8, and so may a norm's f32 steps.
        return norm || (activation === "dynamic" && !traits.software) ? TOLERANCE.int8Layer : 0;
      });
      testCases(`int8 rows and codes of each kind${norm ? behind : ", to the bit"}`, kernel, int8);
    }
    const tolerance8 = traits.software ? 0 : TOLERANCE.int8Layer;
    const large = LARGE.map((shape, i) => {
      const weight = randomQuantized(i, [shape[2], shape[1]], INT8_SCHEMES[0]);
      return { shape, weight, norm: false, tolerance: tolerance8 };
    });
    testCases("int8 rows that a kernel has made before, to the bit", kernel, large);
  }

  for (const kernel of LINEAR_KERNELS) {
    const codes = randomQuantized(3, [65, 96], { bits: 4, scale: 32 });
    const cases = [codes, { ...codes, activation: 0.01 }].flatMap((weight) => {
      const tolerance = weight.activation ? 0 : kernel.matrix ? TOLERANCE.matrix : TOLERANCE.kernel;
      const small = weight.scales.map((scale, i) => (i % 2 ? scale : 2 ** -14 - (i % 9) * 2 ** -24));
      return [weight.scales.map((scale) => scale / 3), small].map((scales) => {
        return { shape: [33, 96, 65] as const, weight: { ...weight, scales }, norm: false, tolerance };
      });
    });
    testCases("scales that f16 does not hold, and its subnormal numbers", kernel, cases);
  }

  for (const kernel of LINEAR_KERNELS) {
    const able = wholeWeights().filter((weight) => kernel.supports(traits, formOf(weight)));
    const weights = able.slice(-2); // of one form: each is a pipeline to build
    if (!kernel.fuses || weights.length === 0) continue;
    test(`${kernel.name}: the best token of each row, its logits never in memory`, async () => {
      const forced = runnerOf(webgpuBackend(gpu as Gpu, { linear: kernel.name }));
      for (const [i, weight] of weights.entries()) {
        const [vocab, k] = weight.shape;
        const [x, bias] = [whole([i % 2 ? 171 : 33, k]), whole([vocab])];
        for (const banned of [undefined, 7]) {
          const compute: Computation = (b) => {
            return b.ctcTopK(b.upload(x), { weight: b.uploadLinear(weight), bias: b.upload(bias) }, 1, banned);
          };
          const [got, expected] = await Promise.all(
            [forced, reference].map(async ({ run }) => topOf(await run(compute), 1)),
          );
          expect(got.ids).toEqual(expected.ids);
          expect(relativeError(got.logProbs, expected.logProbs, 1)).toBeLessThanOrEqual(TOLERANCE.kernel);
        }
      }
    });
  }

  test("products of matrices are proven where the device lists them, and not trusted where they do not compile", async () => {
    const listed = [traits.f16Matrix && "f16", traits.int8Matrix && "int8"].filter((kind) => kind !== undefined);
    expect(await provenMatrices(gpu as Gpu)).toEqual(listed);
    const other = await testGpu();
    other.traits = { ...traits, f16Matrix: { m: 4, n: 4, k: 16 }, int8Matrix: { m: 4, n: 4, k: 16 } };
    expect(await provenMatrices(other)).toEqual([]);
    other.close();
  });

  test("a device in hardware gets tiles, or matrices that are proven; one in software the plain kernel", () => {
    const form = formOf(floats([1, 512, 64], "f16"));
    const hardware = {
      ...traits,
      software: false,
      f16: true,
      f16Matrix: { m: 16, n: 16, k: 16 },
      workgroupBytes: 49152,
    };
    const names = (device: DeviceTraits) => kernelsFor(device, form).map(({ name }) => name);
    expect(names({ ...hardware, software: true })).toEqual(["plain"]);
    expect(names({ ...hardware, proven: [] })).toEqual(["tile 32x32", "tile 64x64"]);
    expect(names({ ...hardware, proven: ["f16"] })).toEqual(["matrix 32x32", "matrix 64x64", "matrix 128x128"]);
  });

  test("small tiles where large ones would leave most of a GPU idle", () => {
    const form = formOf(floats([1, 512, 64], "f16"));
    const device = { ...traits, software: false, proven: [], workgroupBytes: 32768 };
    const chosen = (rows: number, n: number) => {
      return kernelFor({ shape: [n, 512], form, device, kernels: kernelsFor(device, form), tensors: [] }, rows).name;
    };
    expect([187, 20].map((rows) => chosen(rows, 512))).toEqual(["tile 32x32", "tile 32x32"]);
    expect([187, 1700].map((rows) => chosen(rows, 2048))).toEqual(["tile 64x64", "tile 64x64"]);
    expect([1, 25].map((rows) => chosen(rows, 25055))).toEqual(["tile 32x32", "tile 32x32"]);
  });

  test("a kernel that is not there, or not for the weight, is refused by name", () => {
    const weight = floats([1, 32, 31], "f32");
    const upload = (linear: string) => webgpuBackend(gpu as Gpu, { linear }).uploadLinear(weight);
    expect(() => upload("best")).toThrow("[linear] kernel: expected one of plain, tile");
    expect(() => upload("int8 64x64")).toThrow("[linear] kernel int8 64x64: not for");
  });
});

/** Small whole numbers: sums are exact in every order and type, so logits that are equal are so in every kernel. */
function whole(shape: number[], seed = 6): HostTensor & { readonly data: Float32Array } {
  const data = (randomizer(seed)(shape).data as Float32Array).map((v) => Math.round(v * 2));
  return { dtype: "f32", shape, data };
}

/** The same weights in each form, at several widths of vocabulary. */
function wholeWeights(): Weight[] {
  return (["f32", "f16", "codes", "int8"] as const).flatMap((kind) =>
    [131, 995].map((vocab): Weight => {
      const shape = [vocab, 32] as const;
      const f32 = whole([...shape], vocab);
      if (kind === "f32") return f32;
      if (kind === "f16") return { ...f32, dtype: kind, data: f32ToF16(f32.data) };
      const bytes = Uint8Array.from(f32.data, (v) => v + 128);
      const codes = packCodes(bytes, shape, 8);
      const weight = { dtype: "quantized", shape, bits: 8, groupSize: 32, codes, scales: Float32Array.of(1) } as const;
      return kind === "codes" ? weight : { ...weight, activation: 1 };
    }),
  );
}

interface Case {
  readonly shape: readonly number[];
  readonly weight: Weight;
  /** With a layer norm in front; else with ReLU and residual behind. */
  readonly norm: boolean;
  readonly tolerance: number;
}
