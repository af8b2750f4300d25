/**
 * How few bits: schemes and mixed policies, each layer by itself and in sequence, by KL from f32 on the 200 clips of
 * test/eval, with 95 % intervals (bootstrap over clips), and what more calibration sound changes. Writes the table in
 * docs/quantization.md: `npx tsx scripts/study-bits.ts [--other MANIFEST] [--table] [NAME …]`; clips of another manifest
 * are judged as well, names measure some rows alone, --table none. Models are kept in node_modules/.cache. All of it takes an hour.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
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
import { readAudio } from "../src/node.ts";
import type { Policy } from "../src/quant/policy.ts";
import { quantizeFolder } from "../src/quant/quantizeFolder.ts";
import { PRESETS, type PresetName } from "../src/quant/scheme.ts";
import { type Logits, logitsOf, meanDivergence } from "../src/quant/sensitivity.ts";
import type { CalibrationClip } from "../src/quant/study.ts";
import { folderSource } from "../src/weights/folderSource.ts";
import { findModel } from "../src/weights/home.ts";

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const TINY = findModel("tiny");
const CACHE = path("node_modules/.cache/bits");
const ROWS_FILE = path("bench/results/bits.json");
const BUDGETS = [4.5, 4, 3.5, 3, 2.5];
/** The first clips judge in each row; in some rows the others calibrate. */
const JUDGES = 100;
const RESAMPLES = 1000;

interface Row {
  readonly name: string;
  readonly bits: number;
  /** Tokens that differ from f32's on the 200 clips, and how many those are. */
  readonly changed: number;
  readonly tokens: number;
  /** KL with its interval: on the first 100 clips, on all 200, on the calibration sound, on the other clips. */
  readonly kl: Readonly<Record<string, readonly number[]>>;
}

const { values: options, positionals } = parseArgs({
  options: { other: { type: "string" }, table: { type: "boolean" } },
  allowPositionals: true,
});
mkdirSync(CACHE, { recursive: true });
const heard = await load("test/calibration/calibration.jsonl");
const judged = await load("test/eval/manifest.jsonl");
const sets: Record<string, readonly CalibrationClip[]> = { judged, heard };
if (options.other) sets.other = await load(options.other);
const exact = options.table ? {} : await listen(TINY, "f32");

const preset = (name: PresetName): Policy => ({ name, scheme: PRESETS[name], layers: {} });
const RUNS: Record<string, () => Promise<string>> = {};
for (const name of ["int8", "int4", "int4-gptq", "lut4", "lut3"] as const) {
  RUNS[name] = () => quantised(name, preset(name), heard, false);
  if (name !== "int8" && name !== "int4") {
    RUNS[`${name} in sequence`] = () => quantised(`${name}-sequential`, preset(name), heard, true);
  }
}
for (const budget of BUDGETS) {
  const name = `mixed-${budget}`;
  const plain = () => quantised(name, { name, bitsPerWeight: budget }, heard, false);
  const again = async (as: string, clips: readonly CalibrationClip[]) => {
    const { policy } = (await openModel(folderSource(await plain()))).config;
    return quantised(as, policy as Policy, clips, true);
  };
  RUNS[name] = plain;
  RUNS[`${name} in sequence`] = () => again(`${name}-sequential`, heard);
  if (budget === 3 || budget === 4.5) {
    const more = [...heard, ...judged.slice(JUDGES)];
    RUNS[`${name} in sequence, 100 clips more`] = () => again(`${name}-more`, more);
  }
}

const asked = positionals.length > 0 ? positionals : Object.keys(RUNS);
for (const name of options.table ? [] : asked) {
  if (!(name in RUNS)) throw new Error(`expected some of ${Object.keys(RUNS).join(" | ")}, got ${name}`);
  const row = await measure(name, await RUNS[name]());
  writeFileSync(ROWS_FILE, `${JSON.stringify([...saved().filter((other) => other.name !== name), row], null, 1)}\n`);
  console.log(JSON.stringify(row));
}
writeTable(Object.keys(RUNS).flatMap((name) => saved().filter((row) => row.name === name)));

async function load(manifest: string): Promise<CalibrationClip[]> {
  const dataset = await readDataset(manifest.startsWith("/") ? manifest : path(manifest));
  return Promise.all(dataset.map(async ({ source, itn }) => ({ pcm: await readAudio(source), itn })));
}

/** The tiny model in few bits; made anew once the quantiser or the model has changed. */
async function quantised(
  name: string,
  policy: Parameters<typeof quantizeFolder>[2]["policy"],
  clips: readonly CalibrationClip[],
  sequential: boolean,
): Promise<string> {
  const hash = createHash("sha256");
  for (const file of readdirSync(path("src/quant")).sort()) hash.update(readFileSync(path(`src/quant/${file}`)));
  hash.update(readFileSync(join(TINY, "config.json")));
  const target = join(CACHE, `${name}-${hash.digest("hex").slice(0, 12)}`);
  if (!existsSync(target)) await quantizeFolder(TINY, target, { policy, clips, sequential });
  return target;
}

/** Logits of every clip of every set. */
async function listen(model: string, floats?: "f32"): Promise<Record<string, Logits[]>> {
  const folder = await openModel(folderSource(model));
  const { encoder, frontend } = folder.config;
  const backend = await createWasmBackend();
  const weights = await loadWeights(backend, folder.config, folder.tensors(), floats && (await converterTo(floats)));
  const heard: Record<string, Logits[]> = {};
  for (const [set, clips] of Object.entries(sets)) {
    const prompts: Prompt[] = [];
    for (const { pcm, itn } of clips) {
      prompts.push({ language: "auto", itn, features: await extractFeatures(pcm, frontend, weights.cmvn) });
    }
    heard[set] = await logitsOf(new SenseVoice(backend, encoder, weights), prompts);
  }
  backend.close();
  return heard;
}

async function measure(name: string, model: string): Promise<Row> {
  const got = await listen(model);
  const { config } = await openModel(folderSource(model));
  const { linearBytes, linearWeights } = await modelSize(model, config);
  let [changed, tokens] = [0, 0];
  got.judged.forEach((logits, i) => {
    const expected = tokensOf(exact.judged[i]);
    changed += editDistance(countEdits(expected, tokensOf(logits)));
    tokens += expected.length;
  });
  const kl: Record<string, readonly number[]> = {
    first: interval(exact.judged.slice(0, JUDGES), got.judged.slice(0, JUDGES)),
  };
  for (const set of Object.keys(sets)) kl[set] = interval(exact[set], got[set]);
  return { name, bits: (linearBytes * 8) / linearWeights, changed, tokens, kl };
}

/** CTC's greedy tokens: the best of each row, repeats joined, without blanks. */
function tokensOf({ logits, vocab }: Logits): number[] {
  const best = Array.from({ length: logits.length / vocab }, (_, row) => {
    const own = logits.subarray(row * vocab, (row + 1) * vocab);
    return own.indexOf(own.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY));
  });
  return best.filter((token, row) => token !== 0 && token !== best[row - 1]);
}

/** KL in nats a row, and the 2.5 % and 97.5 % quantiles of it over clips drawn with replacement. */
function interval(expected: readonly Logits[], got: readonly Logits[]): number[] {
  const clips = got.map((logits, i) => {
    const rows = logits.logits.length / logits.vocab;
    return { rows, sum: meanDivergence([expected[i]], [logits]) * rows };
  });
  const mean = (of: typeof clips) =>
    of.reduce((sum, clip) => sum + clip.sum, 0) / of.reduce((n, { rows }) => n + rows, 0);
  let state = 1;
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return clips[Math.floor((state / 2 ** 32) * clips.length)];
  };
  const drawn = Array.from({ length: RESAMPLES }, () => mean(clips.map(draw))).sort((a, b) => a - b);
  return [mean(clips), drawn[Math.floor(RESAMPLES * 0.025)], drawn[Math.floor(RESAMPLES * 0.975)]];
}

function saved(): Row[] {
  return existsSync(ROWS_FILE) ? (JSON.parse(readFileSync(ROWS_FILE, "utf8")) as Row[]) : [];
}

function writeTable(rows: readonly Row[]): void {
  const shown = (values?: readonly number[]) =>
    values
      ? `${values[0].toExponential(1)} (${values
          .slice(1)
          .map((x) => x.toExponential(1))
          .join(" … ")})`
      : "–";
  const table = [
    "| weights | bits a weight | tokens changed | KL, first 100 clips | KL, 200 clips | KL, calibration sound | KL, other sound |",
    "|---|---|---|---|---|---|---|",
    ...rows.map(({ name, bits, changed, tokens, kl }) => {
      const share = `${changed} of ${tokens}`;
      return `| ${name} | ${bits.toFixed(2)} | ${share} | ${shown(kl.first)} | ${shown(kl.judged)} | ${kl.heard[0].toExponential(1)} | ${shown(kl.other)} |`;
    }),
  ].join("\n");
  const file = path("docs/quantization.md");
  const [begin, end] = ["<!-- table: npx tsx scripts/study-bits.ts -->", "<!-- end of bits -->"];
  const [before, rest] = readFileSync(file, "utf8").split(begin);
  if (rest === undefined) throw new Error(`${file}: expected the mark ${begin}`);
  writeFileSync(file, `${before}${begin}\n\n${table}\n\n${end}${rest.split(end)[1]}`);
}
