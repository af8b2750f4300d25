/**
 * This project's CPU backend beside ONNX Runtime, native and WASM, on one graph: the full-size architecture with
 * seeded random weights, encoder and head, features not included; for the workloads of workloads.ts.
 *
 *   python scripts/export-onnx.py ONNX                      the peers' model, f32 and int8
 *   npx tsx scripts/random-weights.ts F32 --tokenizer FILE  ours; then `sensevoice quantize F32 …` for few bits
 *   npm run bench:peers -- ONNX F32 INT8 INT4 …             each model in a process of its own, 1 thread and 2
 *
 * `of native` is the time of onnxruntime-node by that of the peer, on as many threads, with int8 for few bits. An error if our
 * tokens depend on the number of threads, or on the clips beside them.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { measurePeak } from "../peak/measure.ts";
import { WORKLOADS } from "./workloads.ts";

interface Result {
  readonly peer: string;
  readonly model: string;
  readonly threads: number;
  readonly load: number;
  readonly megabytes: number;
  readonly results: readonly {
    readonly name: string;
    readonly median: number;
    readonly min: number;
    readonly tokens: readonly number[];
  }[];
}

const [onnx, ...models] = process.argv.slice(2);
if (!onnx) {
  console.error("usage: npm run bench:peers -- ONNX_FOLDER MODEL_FOLDER…");
  process.exit(1);
}
const one = fileURLToPath(new URL("one.ts", import.meta.url));
const jobs = [
  ...["model.int8.onnx", "model.onnx"].flatMap((file) =>
    ["onnxruntime-node", "onnxruntime-web"].map((peer) => [peer, `${onnx}/${file}`]),
  ),
  ...models.map((model) => ["sensevoice", model]),
];

console.log(`Node ${process.version}, ${cpus()[0].model} × ${cpus().length}; ms are the median of 5`);
const peak = await measurePeak();
console.log(
  `WASM on one core: ${peak.f32.toFixed(1)} GFLOP/s f32, ${peak.int8.toFixed(1)} GOP/s int8 (${peak.int8Products}) at most`,
);
const cells = (texts: readonly string[]) => texts.map((text) => text.padStart(13)).join("");
const names = WORKLOADS.map(({ name }) => name);
console.log(
  `${"peer".padEnd(18)}${"model".padEnd(17)}${cells(["threads", "load, ms", "MB", ...names.flatMap((name) => [`${name}, ms`, "of native"]), "of peak"])}`,
);
const all: Result[] = [];
for (const [peer, model] of jobs) {
  for (const threads of [1, 2]) {
    const args = [...process.execArgv, one, peer, model, String(threads)];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) {
      console.log(
        `${peer.padEnd(18)}${model}: failed: ${stderr.split("\n").find((line) => /Error/.test(line)) ?? stderr.trim()}`,
      );
      continue;
    }
    const result = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Result;
    all.push(result);
    const { results } = result;
    const times = results.flatMap(({ median }, i) => [median.toFixed(0), ofNative(result, i).toFixed(2)]);
    const share = peer === "onnxruntime-node" ? "" : `${(100 * shareOfPeak(result)).toFixed(0)} %`;
    const numbers = [threads, result.load.toFixed(0), result.megabytes.toFixed(0), ...times, share];
    console.log(`${peer.padEnd(18)}${result.model.padEnd(17)}${cells(numbers.map(String))}`);
  }
}
checkTokens();
const file = new URL(`../results/peers-node${process.versions.node.split(".")[0]}.json`, import.meta.url);
const cpu = { node: process.version, cpu: cpus()[0].model, cores: cpus().length, peak };
const results = all.map((result) => ({ ...result, results: result.results.map(({ tokens, ...rest }) => rest) }));
writeFileSync(file, `${JSON.stringify({ ...cpu, results }, null, 1)}\n`);

function hasFewBits({ model }: Result): boolean {
  return /int|lut|mixed/.test(model);
}

/** How fast a peer is on a workload, native ONNX Runtime being 1. */
function ofNative(result: Result, workload: number): number {
  const native = all.find((other) => {
    return (
      other.peer === "onnxruntime-node" && other.threads === result.threads && hasFewBits(other) === hasFewBits(result)
    );
  });
  return native ? native.results[workload].median / result.results[workload].median : Number.NaN;
}

/** The products and sums of linear layers and attention in the first workload, a second, by what WASM could do. */
function shareOfPeak(result: Result): number {
  const rows = WORKLOADS[0].rows + 4;
  const weights = 560 * 1536 + 69 * 512 * 1536 + 70 * (512 * 512 + 2 * 512 * 2048) + 512 * 25055;
  const operations = 2 * rows * weights + 70 * 4 * rows * rows * 512;
  const most = !hasFewBits(result) ? peak.f32 : /int8/.test(result.model) ? peak.int8 : peak.int7;
  return operations / result.results[0].median / 1e6 / (most * result.threads);
}

function checkTokens(): void {
  const [, alone, batch] = names;
  for (const { model, threads, results } of all.filter(({ peer }) => peer === "sensevoice")) {
    const tokensOf = (wanted: string) => results.find(({ name }) => name === wanted)?.tokens ?? [];
    const first = tokensOf(batch).slice(0, tokensOf(alone).length);
    const single = all.find((other) => other.peer === "sensevoice" && other.model === model && other.threads === 1);
    const same = single && results.every(({ tokens }, i) => `${tokens}` === `${single.results[i].tokens}`);
    if (!same || `${first}` !== `${tokensOf(alone)}`) {
      throw new Error(`${model}, ${threads} threads: tokens differ from those with 1 thread, or of a clip alone`);
    }
  }
  console.log("our tokens are the same on 1 thread and 2, and for a clip alone and in a batch");
}
