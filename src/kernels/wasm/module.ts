import { packCodes } from "../../tensor/quantized.ts";
import { FORMATS, type Int8Products, PRODUCTS } from "./formats.ts";
import { readKernels, revectorizes } from "./platform.ts";

/** A build of assembly/ and what it computes with. */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  /** For people. */
  readonly instructions: string;
  /** The int8 products that come out right, fastest first. */
  readonly int8: readonly Int8Products[];
}

/** Every runtime makes these. */
const I16: Int8Products = { kind: "i16", offset: 0, bits: 8 };
/**
 * Those of relaxed SIMD. Its results are the hardware's own: x may be taken as signed or as unsigned (an offset makes
 * it so), and two products of full size may be too much for the int16 that they are summed in.
 */
const RELAXED: readonly Int8Products[] = [
  { kind: "quads", offset: 0, bits: 8 },
  { kind: "quads", offset: 128, bits: 8 },
  { kind: "pairs", offset: 0, bits: 8 },
  { kind: "pairs", offset: 128, bits: 7 },
  { kind: "pairs", offset: 0, bits: 8, positive: true },
];

/**
 * The fastest of the builds that this runtime can run: relaxed SIMD with its fused multiply-add and its dot products
 * as far as they pass a test, in wide tiles where V8 makes wide vectors; else plain SIMD.
 */
export async function loadKernels(): Promise<KernelModule> {
  const wide = revectorizes();
  const relaxed = await readKernels(wide ? "wide" : "relaxed");
  if (WebAssembly.validate(relaxed)) {
    const module = await WebAssembly.compile(relaxed);
    if (multipliesFloats(module)) {
      const int8 = RELAXED.filter((products) => multipliesInt8(module, products));
      return { module, instructions: `relaxed SIMD${wide ? " of 256 bits" : ""}`, int8: [...int8, I16] };
    }
  }
  const plain = await readKernels("plain");
  return { module: await WebAssembly.compile(plain), instructions: "SIMD", int8: [I16] };
}

/** Sizes of the tests' products, and where their numbers lie: above the module's own. */
const [ROWS, N, K] = [7, 9, 32];
const [X, WEIGHT, PACKED, Y, SCALES, DESCRIPTION, SCRATCH] = [1, 2, 3, 4, 5, 6, 7].map((i) => i * 65536);

/** Whether x [7, 32] · w [9, 32]ᵀ of small whole numbers comes out right. */
function multipliesFloats(module: WebAssembly.Module): boolean {
  const x = (r: number, i: number) => r - 2 * i;
  const w = (c: number, i: number) => c * i - 5;
  const { kernels, floats, words } = instantiate(module);
  fill(floats.subarray(X / 4), ROWS, x);
  fill(floats.subarray(WEIGHT / 4), N, w);
  words.set([FORMATS.f32, WEIGHT, K], DESCRIPTION / 4);
  run(kernels, "packWeight", WEIGHT, 0, N, K, SCRATCH);
  run(kernels, "packRows", X, 0, 0, 0, PACKED, ROWS, K, SCRATCH);
  run(kernels, "linear", PACKED, DESCRIPTION, 0, 0, 0, Y, ROWS, N, SCRATCH, 0);
  return isProduct(floats.subarray(Y / 4), x, w);
}

/** Whether x · wᵀ comes out right where all that int8 can hold meets all that the weights' bits can. */
export function multipliesInt8(module: WebAssembly.Module, { kind, offset, bits, positive }: Int8Products): boolean {
  const [top, half] = [127, 2 ** (bits - 1)];
  const low = positive ? 0 : -top;
  const x = (r: number, i: number) => [top, low, i % 2 ? top : low, low + ((r * 97 + i * 71) % (top - low + 1))][r % 4];
  const w = (c: number, i: number) =>
    [-half, half - 1, i % 2 ? -half : half - 1, ((c * 61 + i * 89) % (2 * half)) - half][c % 4];
  const { kernels, floats, words } = instantiate(module);
  fill(floats.subarray(X / 4), ROWS, x);
  const codes = fill(new Uint8Array(N * K), N, (c, i) => w(c, i) + half);
  words.set(packCodes(codes, [N, K], bits), WEIGHT / 4);
  floats.fill(1, SCALES / 4, SCALES / 4 + 16);
  words.set(
    [FORMATS.int8, WEIGHT, K, bits, K, 1, SCALES, 0, 0, 0, 0, 0, PRODUCTS[kind], offset, 0, 0],
    DESCRIPTION / 4,
  );
  floats[DESCRIPTION / 4 + 11] = 1; // the scale of x
  run(kernels, "packCodes", WEIGHT, N, K, bits, SCRATCH, 0);
  run(kernels, "quantizeRows", X, DESCRIPTION, 0, 0, 0, PACKED, ROWS, SCRATCH);
  run(kernels, "linear", PACKED, DESCRIPTION, 0, 0, 0, Y, ROWS, N, SCRATCH, 0);
  return isProduct(floats.subarray(Y / 4), x, w);
}

type Kernels = Record<string, (...args: number[]) => void>;
type Element = (row: number, i: number) => number;

function instantiate(module: WebAssembly.Module) {
  const memory = new WebAssembly.Memory({ initial: 9, maximum: 9, shared: true });
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as Kernels;
  return { kernels, floats: new Float32Array(memory.buffer), words: new Uint32Array(memory.buffer) };
}

function run(kernels: Kernels, name: string, ...args: number[]): void {
  kernels[name](...args);
  kernels.barrier();
}

function fill<T extends Float32Array | Uint8Array>(out: T, rows: number, element: Element): T {
  for (let r = 0; r < rows; r++) for (let i = 0; i < K; i++) out[r * K + i] = element(r, i);
  return out;
}

function isProduct(y: Float32Array, x: Element, w: Element): boolean {
  for (let r = 0; r < ROWS; r++) {
    for (let c = 0; c < N; c++) {
      let sum = 0;
      for (let i = 0; i < K; i++) sum += x(r, i) * w(c, i);
      if (y[r * N + c] !== sum) return false;
    }
  }
  return true;
}
