/**
 * Measures every scheme on the tiny model and the 200 clips of test/eval, and writes the table and the plot of
 * docs/quantization.md: `npm run report:quant` for all, `npm run report:quant -- lut4 int8` for some; with --skip-times
 * times stay as they are, for a machine that has other work. Calibration hears test/calibration alone. Learned tables
 * and mixed policies take minutes each.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { extractFeatures } from "../src/audio/features.ts";
import { countEdits, editDistance } from "../src/eval/align.ts";
import { readDataset } from "../src/eval/dataset.ts";
import { modelSize } from "../src/eval/modelSize.ts";
import { createWasmBackend } from "../src/kernels/wasm/backend.ts";
import { converterTo } from "../src/loadEngine.ts";
import { openModel } from "../src/model/sensevoice/modelFiles.ts";
import { SenseVoice } from "../src/model/sensevoice/network.ts";
import type { Prompt } from "../src/model/sensevoice/prompt.ts";
import { loadWeights } from "../src/model/sensevoice/weights.ts";
import { createEngine, type Device, readAudio } from "../src/node.ts";
import { quantizeFolder } from "../src/quant/quantizeFolder.ts";
import { PRESETS, type PresetName } from "../src/quant/scheme.ts";
import { logitsOf, meanDivergence } from "../src/quant/sensitivity.ts";
import { folderSource } from "../src/weights/folderSource.ts";
import { findModel } from "../src/weights/home.ts";
import { plotErrorAgainstBits } from "./plot.ts";

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const TINY = findModel("tiny");
const CACHE = path("node_modules/.cache/quantised");
const ROWS_FILE = path("bench/results/quantization.json");
/** A few clips say what a backend's time is. */
const TIMED_CLIPS = 2;
const KL_CLIPS = 100;

interface Row {
  readonly name: string;
  readonly bits: number;
  readonly bytes: number;
  /** Share of f32's tokens that differ: edit distance by f32's tokens. */
  readonly changed: number;
  /** KL divergence of the tokens' probabilities from f32's, nats a row, mean over the first KL_CLIPS clips. */
  readonly kl: number;
  /** Milliseconds a second of sound, by backend. */
  readonly times: Readonly<Record<string, number | null>>;
}

const clips = await load("test/eval/manifest.jsonl");
const calibration = await load("test/calibration/calibration.jsonl");
const expected = await tokensOf(TINY, "f32");
const total = expected.reduce((sum, { length }) => sum + length, 0);

const MIXED = { "mixed-4.5": 4.5 };
const NAMES = ["f32", "f16", ...Object.keys(PRESETS), ...Object.keys(MIXED)];
const skipTimes = process.argv.includes("--skip-times");
const asked = process.argv.slice(2).filter((argument) => argument !== "--skip-times");
for (const name of asked.length > 0 ? asked : NAMES) {
  if (!NAMES.includes(name)) throw new Error(`expected some of ${NAMES.join(", ")}, got ${name}`);
  const model = name === "f32" || name === "f16" ? TINY : await quantised(name);
  const row = await measure(name, model, name === "f32" || name === "f16" ? name : undefined);
  saveRow(row);
}
writeReport(savedRows());

/** The tiny model in that scheme: made once, since some take minutes, and anew once the quantiser or the model has changed. */
async function quantised(name: string): Promise<string> {
  const policy =
    name in MIXED
      ? { name, bitsPerWeight: MIXED[name as keyof typeof MIXED] }
      : { name, scheme: PRESETS[name as PresetName], layers: {} };
  const target = join(CACHE, `${name}-${quantiserDigest()}`);
  if (existsSync(target)) return target;
  mkdirSync(CACHE, { recursive: true });
  await quantizeFolder(TINY, target, { policy, clips: calibration });
  return target;
}

/** Of the sources that make quantised weights, and of the model they are made from. */
function quantiserDigest(): string {
  const hash = createHash("sha256");
  const sources = readdirSync(path("src/quant")).map((file) => `src/quant/${file}`);
  for (const source of [...sources.sort(), "src/tensor/quantized.ts"]) {
    hash.update(readFileSync(path(source)));
  }
  hash.update(readFileSync(join(TINY, "config.json"))); // has the checksum of the weights
  return hash.digest("hex").slice(0, 12);
}

/** Rows are kept, so that one scheme can be measured again without the others. */
function savedRows(): Row[] {
  const rows = existsSync(ROWS_FILE) ? (JSON.parse(readFileSync(ROWS_FILE, "utf8")) as Row[]) : [];
  return NAMES.flatMap((name) => rows.filter((row) => row.name === name));
}

function saveRow(row: Row): void {
  const rows = [...savedRows().filter(({ name }) => name !== row.name), row];
  writeFileSync(ROWS_FILE, `${JSON.stringify(rows, null, 1)}\n`);
}

async function load(manifest: string) {
  const dataset = await readDataset(path(manifest));
  return Promise.all(dataset.map(async ({ source, itn }) => ({ pcm: await readAudio(source), itn })));
}

async function tokensOf(model: string, weights?: "f32" | "f16"): Promise<(readonly number[])[]> {
  await using engine = await createEngine({ model, device: "cpu", weights });
  const all: (readonly number[])[] = [];
  for (const { pcm, itn } of clips) all.push((await engine.run(pcm, { itn })).tokens);
  return all;
}

async function measure(name: string, model: string, weights?: "f32" | "f16"): Promise<Row> {
  const before = savedRows().find((row) => row.name === name);
  const got = await tokensOf(model, weights);
  const changed = got.reduce((sum, tokens, i) => sum + editDistance(countEdits(expected[i], tokens)), 0) / total;
  const { config } = await openModel(folderSource(model));
  const { bytes: stored, linearBytes, linearWeights } = await modelSize(model, config);
  const bits = weights === "f32" ? 32 : (linearBytes * 8) / linearWeights;
  const bytes = weights === "f32" ? stored + linearWeights * 2 : stored; // the folder has them in f16
  const times: Record<string, number | null> = {};
  for (const device of ["cpu", "webgpu", "reference"] as const) {
    times[device] = skipTimes ? (before?.times[device] ?? null) : await timeOf(model, device, weights);
  }
  const kl = await divergenceFromF32(model);
  const row = { name, bits, bytes, changed, kl, times };
  console.log(JSON.stringify(row));
  return row;
}

async function divergenceFromF32(model: string): Promise<number> {
  const backend = await createWasmBackend();
  const [before, after] = [await openModel(folderSource(TINY)), await openModel(folderSource(model))];
  const { encoder, frontend } = before.config;
  const weights = await loadWeights(backend, before.config, before.tensors(), await converterTo("f32"));
  const prompts: Prompt[] = [];
  for (const { pcm, itn } of clips.slice(0, KL_CLIPS)) {
    prompts.push({ language: "auto", itn, features: await extractFeatures(pcm, frontend, weights.cmvn) });
  }
  const expected = await logitsOf(new SenseVoice(backend, encoder, weights), prompts);
  const quantized = await loadWeights(backend, after.config, after.tensors());
  const got = await logitsOf(new SenseVoice(backend, encoder, quantized), prompts);
  backend.close();
  return meanDivergence(expected, got);
}

/** Milliseconds a second of sound; null where there is no such device. */
async function timeOf(model: string, device: Device, weights?: "f32" | "f16"): Promise<number | null> {
  try {
    await using engine = await createEngine({ model, device, weights });
    await engine.run(clips[0].pcm);
    let [ms, seconds] = [0, 0];
    for (const { pcm } of clips.slice(0, TIMED_CLIPS)) {
      const { timings, duration } = await engine.run(pcm);
      ms += timings.encode;
      seconds += duration;
    }
    return ms / seconds;
  } catch {
    return null;
  }
}

function writeReport(rows: readonly Row[]): void {
  const ms = (value: number | null) => (value === null ? "–" : value.toFixed(value < 10 ? 1 : 0));
  const f32Bytes = rows.find(({ name }) => name === "f32")?.bytes ?? Number.NaN;
  const table = [
    "| weights | bits a weight | bytes | smaller by | tokens changed | KL | cpu | webgpu | reference |",
    "|---|---|---|---|---|---|---|---|---|",
    ...rows.map(({ name, bits, bytes, changed, kl, times: { cpu, webgpu, reference } }) => {
      const numbers = [bits.toFixed(2), `${(bytes / 1e6).toFixed(2)} MB`, `${(f32Bytes / bytes).toFixed(1)} ×`];
      return `| ${name} | ${numbers.join(" | ")} | ${(changed * 100).toFixed(2)} % | ${kl.toExponential(1)} | ${ms(cpu)} | ${ms(webgpu)} | ${ms(reference)} |`;
    }),
  ].join("\n");
  const file = path("docs/quantization.md");
  const page = readFileSync(file, "utf8");
  const [begin, end] = ["<!-- table: npm run report:quant -->", "<!-- end of table -->"];
  const [before, rest] = page.split(begin);
  if (rest === undefined) throw new Error(`${file}: expected the mark ${begin}`);
  writeFileSync(file, `${before}${begin}\n\n${table}\n\n${end}${rest.split(end)[1]}`);
  const points = rows
    .filter(({ bits }) => bits < 16)
    .map(({ name, bits, changed }) => ({ name, bits, error: changed * 100, interval: intervalOf(changed) }));
  writeFileSync(path("docs/quantization.svg"), plotErrorAgainstBits(points));
}

/** The 95 % interval of a share of all tokens, in percent (Wilson 1927). */
function intervalOf(share: number): [low: number, high: number] {
  const z = 1.96;
  const middle = share + z ** 2 / (2 * total);
  const half = z * Math.sqrt((share * (1 - share)) / total + z ** 2 / (4 * total ** 2));
  return [-1, 1].map((sign) => (100 * (middle + sign * half)) / (1 + z ** 2 / total)) as [number, number];
}
