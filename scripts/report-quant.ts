/**
 * Measures every scheme on the tiny model and the 200 clips of test/eval, and writes the table and the plot of
 * docs/quantization.md: `npm run report:quant`. Calibration sees test/calibration alone.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { countEdits, editDistance } from "../src/eval/align.ts";
import { readDataset } from "../src/eval/dataset.ts";
import { modelSize } from "../src/eval/modelSize.ts";
import { plotErrorAgainstBits } from "../src/eval/plot.ts";
import { createEngine, type Device, readAudio } from "../src/index.ts";
import { PRESETS } from "../src/quant/scheme.ts";
import { quantizeFolder } from "../src/quantizeFolder.ts";
import { findModel } from "../src/weights/home.ts";
import { openModelFolder } from "../src/weights/modelFolder.ts";

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const TINY = findModel("tiny");
/** A few clips say what a backend's time is. */
const TIMED_CLIPS = 4;

interface Row {
  readonly name: string;
  readonly bits: number;
  readonly bytes: number;
  /** Share of f32's tokens that differ: edit distance by f32's tokens. */
  readonly changed: number;
  /** Milliseconds a second of sound, by backend. */
  readonly times: Readonly<Record<string, number>>;
}

const clips = await load("test/eval/manifest.jsonl");
const calibration = await load("test/calibration/calibration.jsonl");
const folder = mkdtempSync(join(tmpdir(), "sensevoice-"));
const expected = await tokensOf(TINY, "f32");
const total = expected.reduce((sum, { length }) => sum + length, 0);

const rows: Row[] = [await measure("f32", TINY, "f32"), await measure("f16", TINY)];
for (const [name, scheme] of Object.entries(PRESETS)) {
  await quantizeFolder(TINY, join(folder, name), {
    policy: { name, scheme, layers: {} },
    clips: calibration,
  });
  rows.push(await measure(name, join(folder, name)));
}
for (const bitsPerWeight of [3.6, 4, 4.5, 5]) {
  const name = `mixed-${bitsPerWeight}`;
  await quantizeFolder(TINY, join(folder, name), { policy: { name, bitsPerWeight }, clips: calibration });
  rows.push(await measure(name, join(folder, name)));
}
rmSync(folder, { recursive: true });
writeReport();

async function load(manifest: string) {
  const dataset = await readDataset(path(manifest));
  return Promise.all(dataset.map(async ({ source, itn }) => ({ pcm: await readAudio(source), itn })));
}

async function tokensOf(model: string, weights?: "f32"): Promise<(readonly number[])[]> {
  await using engine = await createEngine({ model, device: "cpu", weights });
  const all: (readonly number[])[] = [];
  for (const { pcm, itn } of clips) all.push((await engine.run(pcm, { itn })).tokens);
  return all;
}

async function measure(name: string, model: string, weights?: "f32"): Promise<Row> {
  const got = await tokensOf(model, weights);
  const changed =
    got.reduce((sum, tokens, i) => sum + editDistance(countEdits(expected[i], tokens)), 0) / total;
  const { config } = await openModelFolder(model);
  const { bytes: stored, linearBytes, linearWeights } = await modelSize(model, config);
  const bits = weights ? 32 : (linearBytes * 8) / linearWeights;
  const bytes = weights ? stored + linearWeights * 2 : stored; // the folder has them in f16
  const times: Record<string, number> = {};
  for (const device of ["cpu", "webgpu", "reference"] as const)
    times[device] = await timeOf(model, device, weights);
  const row = { name, bits, bytes, changed, times };
  console.log(JSON.stringify(row));
  return row;
}

/** Milliseconds a second of sound; NaN where there is no such device. */
async function timeOf(model: string, device: Device, weights?: "f32"): Promise<number> {
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
    return Number.NaN;
  }
}

function writeReport(): void {
  const ms = (value: number) => (Number.isNaN(value) ? "–" : value.toFixed(value < 10 ? 1 : 0));
  const f32Bytes = rows[0].bytes;
  const table = [
    "| weights | bits a weight | bytes | smaller by | tokens changed | cpu | webgpu | reference |",
    "|---|---|---|---|---|---|---|---|",
    ...rows.map(({ name, bits, bytes, changed, times: { cpu, webgpu, reference } }) => {
      const numbers = [
        bits.toFixed(2),
        `${(bytes / 1e6).toFixed(2)} MB`,
        `${(f32Bytes / bytes).toFixed(1)} ×`,
      ];
      return `| ${name} | ${numbers.join(" | ")} | ${(changed * 100).toFixed(2)} % | ${ms(cpu)} | ${ms(webgpu)} | ${ms(reference)} |`;
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
    .map(({ name, bits, changed }) => ({ name, bits, error: changed * 100 }));
  writeFileSync(path("docs/quantization.svg"), plotErrorAgainstBits(points));
}
