/**
 * Speed of the CPU kernels at the shapes of the full-size model: `tsx bench/kernels-wasm.ts [threads]`. Each result is
 * checked first; times are the best of several, so that a busy machine shows less. The last line of the table
 * is what they come to for the whole model.
 */
import { ReferenceBackend } from "../src/kernels/reference/backend.ts";
import { createWasmBackend } from "../src/kernels/wasm/backend.ts";
import { type Backend, type Tensor, uploadSegments } from "../src/tensor/backend.ts";
import { f32ToF16 } from "../src/tensor/f16.ts";
import type { HostTensor } from "../src/tensor/host.ts";
import { randomizer } from "../test/support/random.ts";
import { relativeError, TOLERANCE } from "../test/support/tolerances.ts";

const ROWS = 187; // of 11 seconds of sound: 183 and the four query rows
const LAYERS = 70;
const D = 512;
const VOCAB = 25055;
const threads = Number(process.argv[2] ?? 1);

const random = randomizer(1);
const reference: Backend = new ReferenceBackend();
const wasm = await createWasmBackend({ threads });
console.log(wasm.description);

interface Case {
  readonly name: string;
  readonly count: number;
  readonly gflop: number;
  /** Uploads what the operation needs and returns the operation. */
  readonly prepare: (backend: Backend) => () => Tensor;
}

function linearCase(n: number, k: number, dtype: "f32" | "f16"): Case {
  const [x, bias] = [random([ROWS, k]), random([n])];
  const numbers = random([n, k], 0.1);
  const half = f32ToF16(numbers.data as Float32Array);
  const weight: HostTensor = dtype === "f16" ? { dtype, shape: [n, k], data: half } : numbers;
  return {
    name: `linear ${dtype} ${k} → ${n}`,
    count: dtype === "f32" ? LAYERS : 0,
    gflop: (2 * ROWS * n * k) / 1e9,
    prepare: (b) => {
      const [input, w, options] = [b.upload(x), b.uploadLinear(weight), { bias: b.upload(bias) }];
      return () => b.linear(input, w, options);
    },
  };
}

const shapes = [
  [3 * D, D],
  [D, D],
  [4 * D, D],
  [D, 4 * D],
] as const;
const [qkv, taps, x, gamma] = [random([ROWS, 3 * D]), random([D, 11]), random([ROWS, D]), random([D])];
const [vocabulary, vocabularyBias] = [random([VOCAB, D], 0.1), random([VOCAB])];
const cases: Case[] = [
  ...shapes.map(([n, k]) => linearCase(n, k, "f32")),
  ...shapes.map(([n, k]) => linearCase(n, k, "f16")),
  {
    name: "CTC head",
    count: 1,
    gflop: (2 * ROWS * VOCAB * D) / 1e9,
    prepare: (b) => {
      const head = { weight: b.uploadLinear(vocabulary), bias: b.upload(vocabularyBias) };
      const input = b.upload(x);
      return () => b.ctcGreedy(input, head);
    },
  },
  {
    name: "attention",
    count: LAYERS,
    gflop: (4 * ROWS * ROWS * D) / 1e9,
    prepare: (b) => {
      const [input, segments] = [b.upload(qkv), uploadSegments(b, [ROWS])];
      return () => b.attention(input, 4, segments);
    },
  },
  {
    name: "FSMN",
    count: LAYERS,
    gflop: (2 * ROWS * D * 11) / 1e9,
    prepare: (b) => {
      const [input, weights, segments] = [b.upload(qkv), b.upload(taps), uploadSegments(b, [ROWS])];
      return () => b.fsmn(input, weights, segments);
    },
  },
  {
    name: "layer norm",
    count: 2 * LAYERS + 2,
    gflop: (8 * ROWS * D) / 1e9,
    prepare: (b) => {
      const [input, norm] = [b.upload(x), { gamma: b.upload(gamma), beta: b.upload(gamma) }];
      return () => b.layerNorm(input, norm);
    },
  },
];

/** Milliseconds of one run: the best of 20 batches of 4. */
async function bestTime(run: () => Tensor): Promise<number> {
  const nothing = wasm.upload({ dtype: "f32", shape: [1], data: new Float32Array(1) });
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    for (let j = 0; j < 4; j++) wasm.release(run());
    const start = performance.now();
    await wasm.read(nothing);
    best = Math.min(best, (performance.now() - start) / 4);
  }
  return best;
}

let total = 0;
for (const { name, count, gflop, prepare } of cases) {
  const run = prepare(wasm);
  const error = relativeError(await wasm.read(run()), await reference.read(prepare(reference)()), 1);
  if (!(error < TOLERANCE.kernel)) throw new Error(`${name}: relative error ${error}`);
  const ms = await bestTime(run);
  total += ms * count;
  console.log(
    `${name.padEnd(24)} ${ms.toFixed(2).padStart(8)} ms ${((gflop / ms) * 1000).toFixed(1).padStart(7)} GFLOP/s ${count ? `${(ms * count).toFixed(0).padStart(6)} ms in all` : ""}`,
  );
}
console.log(`whole model, f32 weights ${total.toFixed(0).padStart(8)} ms`);
wasm.close();
