import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

/** GFLOP/s or GOP/s of one core: what the instructions that matrix products are made of can do in WASM. */
export interface Peak {
  readonly f32: number;
  readonly int8: number;
}

const STEPS = 200_000;
/** Operations, a multiplication and an addition each counted, of the 12 products of a step. */
const OPERATIONS = { f32s: 12 * 8, i16s: 12 * 16, i8s: 12 * 32 };

/** Compiles and runs assembly/, with relaxed SIMD where this runtime has it; the best of twenty runs. */
export async function measurePeak(): Promise<Peak> {
  const plain = await compile(["simd"]);
  const relaxed = await compile(["simd", "relaxed-simd"]);
  const hasRelaxed = WebAssembly.validate(relaxed);
  const { f32s, i16s, i8s } = await instantiate(hasRelaxed ? relaxed : plain);
  const rate = (name: keyof typeof OPERATIONS, loop: (steps: number) => number) => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      loop(STEPS);
      best = Math.min(best, performance.now() - start);
    }
    return (STEPS * OPERATIONS[name]) / best / 1e6;
  };
  const int16 = rate("i16s", i16s);
  return { f32: rate("f32s", f32s), int8: hasRelaxed ? Math.max(int16, rate("i8s", i8s)) : int16 };
}

async function compile(features: readonly string[]): Promise<Uint8Array<ArrayBuffer>> {
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
  const enable = features.flatMap((feature) => ["--enable", feature]);
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
  return instance.exports as Record<"f32s" | "i16s" | "i8s", (steps: number) => number>;
}
