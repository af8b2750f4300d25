import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import type { PRODUCTS } from "../../src/kernels/wasm/formats.ts";
import { loadKernels } from "../../src/kernels/wasm/module.ts";
import { revectorizes } from "../../src/kernels/wasm/platform.ts";

/** GFLOP/s or GOP/s of one core: what the instructions that matrix products are made of can do in WASM. */
export interface Peak {
  readonly f32: number;
  /** Of the products that weights of 8 bits take here, and those of at most 7 bits: see src/kernels/wasm/module.ts. */
  readonly int8: number;
  readonly int7: number;
  readonly int8Products: Kind;
  readonly int7Products: Kind;
}

type Kind = keyof typeof PRODUCTS;

const STEPS = 200_000;
/** Operations, a multiplication and an addition each counted, of a product. */
const OPERATIONS = { f32s: 8, i16s: 16, i8Pairs: 32, i8Quads: 32 };

/** The loop of each kind of int8 products. */
const LOOPS = { i16: "i16s", pairs: "i8Pairs", quads: "i8Quads" } as const;

/** Compiles and runs assembly/, with relaxed SIMD where this runtime has it; the best of twenty runs. */
export async function measurePeak(): Promise<Peak> {
  const wide = revectorizes() ? 1 : 0;
  const plain = await compile(["simd"], 0);
  const relaxed = await compile(["simd", "relaxed-simd"], wide);
  const hasRelaxed = WebAssembly.validate(relaxed);
  const loops = await instantiate(hasRelaxed ? relaxed : plain);
  const rate = (name: keyof typeof OPERATIONS) => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      loops[name](STEPS);
      best = Math.min(best, performance.now() - start);
    }
    return (STEPS * (wide ? 24 : 12) * OPERATIONS[name]) / best / 1e6;
  };
  const { int8 } = await loadKernels();
  const productsOf = (wanted: number) => int8.find(({ bits, positive }) => bits >= wanted && !positive)?.kind ?? "i16";
  const [int8Products, int7Products] = [productsOf(8), productsOf(7)];
  return {
    ...{ f32: rate("f32s"), int8: rate(LOOPS[int8Products]), int7: rate(LOOPS[int7Products]) },
    ...{ int8Products, int7Products },
  };
}

async function compile(features: readonly string[], wide: number): Promise<Uint8Array<ArrayBuffer>> {
  const folder = fileURLToPath(new URL("assembly", import.meta.url));
  const options = [
    "--outFile",
    "peak.wasm",
    "--initialMemory",
    "1",
    "--runtime",
    "stub",
    "--optimizeLevel",
    "3",
    "--noAssert",
  ];
  const enable = [...features.flatMap((feature) => ["--enable", feature]), "--use", `WIDE=${wide}`];
  let binary = new Uint8Array();
  const writeFile = (_name: string, contents: string | Uint8Array) => {
    if (typeof contents !== "string") binary = Uint8Array.from(contents);
  };
  const { error, stderr } = await asc.main(["index.ts", "--baseDir", folder, ...options, ...enable], {
    writeFile,
  });
  if (error) throw new Error(stderr.toString());
  return binary;
}

async function instantiate(binary: Uint8Array<ArrayBuffer>) {
  const { instance } = await WebAssembly.instantiate(binary);
  return instance.exports as Record<keyof typeof OPERATIONS, (steps: number) => void>;
}
