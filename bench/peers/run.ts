/**
 * This project's CPU backend beside ONNX Runtime, native and WASM, on one graph: the full-size architecture with
 * seeded random weights, an 11 s clip (183 feature rows), encoder and head, features not included.
 *
 *   python scripts/export-onnx.py ONNX                      the peers' model, f32 and int8
 *   npx tsx scripts/random-weights.ts F32 --tokenizer FILE  ours; then `sensevoice quantize F32 …` for few bits
 *   npm run bench:peers -- ONNX F32 INT8 INT4 …             each model in a process of its own, 1 thread and 2
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { measurePeak } from "../peak/measure.ts";

interface Result {
  readonly peer: string;
  readonly model: string;
  readonly threads: number;
  readonly load: number;
  readonly median: number;
  readonly min: number;
  readonly megabytes: number;
  readonly tokens: readonly number[];
}

const [onnx, ...models] = process.argv.slice(2);
if (!onnx) {
  console.error("usage: npm run bench:peers -- ONNX_FOLDER MODEL_FOLDER…");
  process.exit(1);
}
const CLIP_MS = 11_000;
/** Multiplications and additions of the linear layers and attention for 183 rows of features and 4 of queries. */
const OPERATIONS =
  2 * 187 * (560 * 1536 + 69 * 512 * 1536 + 70 * (512 * 512 + 2 * 512 * 2048) + 512 * 25055) + 70 * 4 * 187 * 187 * 512;
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
  `WASM on one core: ${peak.f32.toFixed(1)} GFLOP/s f32, ${peak.int8.toFixed(1)} GOP/s ${peak.int8Products} at most`,
);
console.log("peer              model                threads   load ms      ms     RTF     MB  of WASM's peak");
const results: Result[] = [];
for (const [peer, model] of jobs) {
  for (const threads of [1, 2]) {
    const args = ["--import", "tsx", one, peer, model, String(threads)];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) {
      console.log(`${peer.padEnd(18)}${model}: failed: ${stderr.trim().split("\n").at(-1)}`);
      continue;
    }
    const result = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Result;
    results.push(result);
    const numbers = [result.load.toFixed(0), result.median.toFixed(0), (result.median / CLIP_MS).toFixed(4)];
    const most = (/int|lut/.test(result.model) ? peak.int8 : peak.f32) * threads;
    const share = `${(OPERATIONS / result.median / 1e4 / most).toFixed(0)} %`;
    const line = [String(threads).padStart(7), numbers[0].padStart(10), numbers[1].padStart(8)];
    console.log(
      `${peer.padEnd(18)}${result.model.padEnd(21)}${line.join("")}${numbers[2].padStart(8)}${result.megabytes.toFixed(0).padStart(7)}${peer === "onnxruntime-node" ? "" : share.padStart(10)}`,
    );
  }
}
const file = new URL(`../results/peers-node${process.versions.node.split(".")[0]}.json`, import.meta.url);
const cpu = { node: process.version, cpu: cpus()[0].model, cores: cpus().length, peak };
writeFileSync(file, `${JSON.stringify({ ...cpu, results: results.map(({ tokens, ...rest }) => rest) }, null, 1)}\n`);
