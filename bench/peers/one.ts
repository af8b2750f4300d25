/** One peer in a process of its own, so that its memory is its own: prints a line of JSON. See run.ts. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { randomFeatures } from "../../scripts/random-weights.ts";
import { WORKLOADS } from "./workloads.ts";

const RUNS = 5;
const WIDTH = 560;

const [peer, model, threadsText] = process.argv.slice(2);
const threads = Number(threadsText);

/** Recognises so many clips of so many rows of features: the tokens of all rows. */
type Run = (clips: number, rows: number, features: Float32Array) => Promise<number[]>;

const start = performance.now();
const run = peer === "sensevoice" ? await ours() : await onnxruntime();
const load = performance.now() - start;
const results = [];
for (const { name, clips, rows } of WORKLOADS) {
  const features = randomFeatures(clips * rows, WIDTH).data;
  const tokens = await run(clips, rows, features); // warm-up
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const begin = performance.now();
    await run(clips, rows, features);
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  results.push({ name, median: times[RUNS >> 1], min: times[0], tokens });
}
const megabytes = (process.resourceUsage().maxRSS * 1024) / 1e6;
console.log(JSON.stringify({ peer, model: basename(model), threads, load, megabytes, results }));
process.exit(0);

/** The encoder and greedy CTC of this project on the CPU. */
async function ours(): Promise<Run> {
  const { createWasmBackend } = await import("../../src/kernels/wasm/backend.ts");
  const { SenseVoice } = await import("../../src/model/sensevoice/network.ts");
  const { loadWeights } = await import("../../src/model/sensevoice/weights.ts");
  const { openModel } = await import("../../src/model/sensevoice/modelFiles.ts");
  const { folderSource } = await import("../../src/weights/folderSource.ts");
  const { config, tensors } = await openModel(folderSource(model));
  const backend = await createWasmBackend({ threads });
  const network = new SenseVoice(backend, config.encoder, await loadWeights(backend, config, tensors(undefined, true)));
  return async (clips, rows, features) => {
    const prompts = Array.from({ length: clips }, (_, i) => {
      const data = features.subarray(i * rows * WIDTH, (i + 1) * rows * WIDTH);
      return { language: "auto", itn: false, features: { rows, data } } as const;
    });
    const heard = await network.recognize(prompts);
    heard.release();
    return heard.clips.flatMap(({ ids }) => Array.from(ids));
  };
}

/** The same graph in ONNX Runtime; the argmax over its logits is ours, and is timed with it. */
async function onnxruntime(): Promise<Run> {
  const ort = await import(peer);
  if (peer === "onnxruntime-web") Object.assign(ort.env.wasm, { numThreads: threads, simd: true });
  const session = await ort.InferenceSession.create(peer === "onnxruntime-web" ? readFileSync(model) : model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionProviders: [peer === "onnxruntime-web" ? "wasm" : "cpu"],
  });
  return async (clips, rows, features) => {
    const each = (value: number) => new ort.Tensor("int32", new Int32Array(clips).fill(value), [clips]);
    const speech = new ort.Tensor("float32", features, [clips, rows, WIDTH]);
    const feeds = { speech, speech_lengths: each(rows), language: each(0), textnorm: each(15) };
    const { ctc_logits } = await session.run(feeds);
    const logits: Float32Array = ctc_logits.data;
    const vocab: number = ctc_logits.dims[2];
    return Array.from({ length: logits.length / vocab }, (_, r) => {
      let best = 0;
      for (let v = 1; v < vocab; v++) if (logits[r * vocab + v] > logits[r * vocab + best]) best = v;
      return best;
    });
  };
}
