/** One peer in a process of its own, so that its memory is its own: prints a line of JSON. See run.ts. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { randomFeatures } from "../../scripts/random-weights.ts";

/** An 11 s clip. */
const ROWS = 183;
const RUNS = 5;

const [peer, model, threadsText] = process.argv.slice(2);
const threads = Number(threadsText);
const features = randomFeatures(ROWS, 560).data;

const start = performance.now();
const run = peer === "sensevoice" ? await ours() : await onnxruntime();
const load = performance.now() - start;
await run(); // warm-up
const times: number[] = [];
let tokens: number[] = [];
for (let i = 0; i < RUNS; i++) {
  const begin = performance.now();
  tokens = await run();
  times.push(performance.now() - begin);
}
const megabytes = (process.resourceUsage().maxRSS * 1024) / 1e6;
const median = times.sort((a, b) => a - b)[RUNS >> 1];
console.log(JSON.stringify({ peer, model: basename(model), threads, load, median, min: times[0], megabytes, tokens }));
process.exit(0);

/** The encoder and greedy CTC of this project on the CPU. */
async function ours(): Promise<() => Promise<number[]>> {
  const { createWasmBackend } = await import("../../src/kernels/wasm/backend.ts");
  const { SenseVoice } = await import("../../src/model/sensevoice/network.ts");
  const { loadWeights } = await import("../../src/model/sensevoice/weights.ts");
  const { openModel } = await import("../../src/model/sensevoice/modelFiles.ts");
  const { folderSource } = await import("../../src/weights/folderSource.ts");
  const { config, tensors } = await openModel(folderSource(model));
  const backend = await createWasmBackend({ threads });
  const network = new SenseVoice(backend, config.encoder, await loadWeights(backend, config, tensors()));
  const prompt = { language: "auto", itn: false, features: { rows: ROWS, data: features } } as const;
  return async () => {
    const { clips, release } = await network.recognize([prompt]);
    release();
    return Array.from(clips[0].ids);
  };
}

/** The same graph in ONNX Runtime; the argmax over its logits is ours, and is timed with it. */
async function onnxruntime(): Promise<() => Promise<number[]>> {
  const ort = await import(peer);
  if (peer === "onnxruntime-web") Object.assign(ort.env.wasm, { numThreads: threads, simd: true });
  const session = await ort.InferenceSession.create(peer === "onnxruntime-web" ? readFileSync(model) : model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionProviders: [peer === "onnxruntime-web" ? "wasm" : "cpu"],
  });
  const feeds = {
    speech: new ort.Tensor("float32", features, [1, ROWS, 560]),
    speech_lengths: new ort.Tensor("int32", Int32Array.of(ROWS), [1]),
    language: new ort.Tensor("int32", Int32Array.of(0), [1]),
    textnorm: new ort.Tensor("int32", Int32Array.of(15), [1]),
  };
  return async () => {
    const { ctc_logits } = await session.run(feeds);
    const logits: Float32Array = ctc_logits.data;
    const vocab: number = ctc_logits.dims[2];
    return Array.from({ length: ctc_logits.dims[1] }, (_, r) => {
      let best = 0;
      for (let v = 1; v < vocab; v++) if (logits[r * vocab + v] > logits[r * vocab + best]) best = v;
      return best;
    });
  };
}
