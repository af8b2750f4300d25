/**
 * The measurements behind three choices in src/quant, on the linear layers of the tiny model; writes their table in
 * docs/quantization.md: `npx tsx scripts/study-quant.ts`. It takes minutes.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { extractFeatures } from "../src/audio/features.ts";
import { readDataset } from "../src/eval/dataset.ts";
import { createWasmBackend } from "../src/kernels/wasm/backend.ts";
import { converterTo } from "../src/loadEngine.ts";
import { openModel } from "../src/model/sensevoice/modelFiles.ts";
import { SenseVoice } from "../src/model/sensevoice/network.ts";
import { linearParameters } from "../src/model/sensevoice/parameters.ts";
import type { Prompt } from "../src/model/sensevoice/prompt.ts";
import { loadWeights } from "../src/model/sensevoice/weights.ts";
import { readAudio } from "../src/node.ts";
import { calibrate } from "../src/quant/calibrate.ts";
import { fitGrid } from "../src/quant/fitGrid.ts";
import { gptq, prepareCompensation } from "../src/quant/gptq.ts";
import { outputError } from "../src/quant/learn.ts";
import { MIXED_SCHEMES, PROBE } from "../src/quant/mixed.ts";
import { quantizeTensor } from "../src/quant/quantize.ts";
import { PRESETS, type Scheme } from "../src/quant/scheme.ts";
import { measureLosses } from "../src/quant/sensitivity.ts";
import { asF32 } from "../src/tensor/f16.ts";
import { dequantize, packCodes, type QuantizedTensor } from "../src/tensor/quantized.ts";
import { folderSource } from "../src/weights/folderSource.ts";
import { findModel } from "../src/weights/home.ts";

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
/** Losses are measured on this many clips, of those that calibration does not hear. */
const LOSS_CLIPS = 16;

const folder = await openModel(folderSource(findModel("tiny")));
const { encoder, frontend } = folder.config;
const backend = await createWasmBackend();
const weights = await loadWeights(backend, folder.config, folder.tensors(), await converterTo("f32"));
const model = new SenseVoice(backend, encoder, weights);
const heard = await promptsOf("test/calibration/calibration.jsonl");
const unheard = await promptsOf("test/eval/manifest.jsonl");
const statistics = await calibrate(model, heard);
const others = await calibrate(model, unheard);
const layers = await readLayers();

const rows = [...wholeNumbers(), ...(await losses()), ...damping()];
backend.close();
const table = ["| question | measured |", "|---|---|", ...rows.map(([what, got]) => `| ${what} | ${got} |`)];
console.log(table.join("\n"));
const file = path("docs/quantization.md");
const [begin, end] = ["<!-- table: npx tsx scripts/study-quant.ts -->", "<!-- end of study -->"];
const [before, rest] = readFileSync(file, "utf8").split(begin);
if (rest === undefined) throw new Error(`${file}: expected the mark ${begin}`);
writeFileSync(file, `${before}${begin}\n\n${table.join("\n")}\n\n${end}${rest.split(end)[1]}`);

async function promptsOf(manifest: string): Promise<Prompt[]> {
  const prompts: Prompt[] = [];
  for (const { source, itn } of await readDataset(path(manifest))) {
    const features = await extractFeatures(await readAudio(source), frontend, weights.cmvn);
    prompts.push({ language: "auto", itn, features });
  }
  return prompts;
}

interface Layer {
  readonly name: string;
  readonly shape: readonly [n: number, k: number];
  readonly weight: Float32Array;
}

async function readLayers(): Promise<Layer[]> {
  const names = new Set(linearParameters(folder.config).map(({ name }) => name));
  const found: Layer[] = [];
  for await (const [name, tensor] of folder.tensors()) {
    if (!names.has(name) || tensor.dtype === "quantized") continue;
    found.push({ name, shape: [tensor.shape[0], tensor.shape[1]], weight: asF32(tensor) });
  }
  return found;
}

function statisticsOf(name: string, of = statistics) {
  const found = of.get(name);
  if (!found) throw new Error(`${name} was not calibrated`);
  return found;
}

/** The squared error that whole-number entries add to a table's weights. */
function wholeNumbers(): [string, string][] {
  const schemes: [string, Scheme][] = [
    ["NF4", PRESETS.nf4],
    ...[3, 4, 5, 6, 7].map((bits): [string, Scheme] => [`k-means of ${bits} bits`, { ...PRESETS.kmeans4, bits }]),
  ];
  const added = schemes.map(([name, scheme]) => {
    const errors = [scheme, { ...scheme, activation: undefined }].map((of) =>
      layers.reduce((sum, { weight, shape }) => {
        const got = dequantize(quantizeTensor(weight, shape, of));
        return sum + got.reduce((squares, v, i) => squares + (v - weight[i]) ** 2, 0);
      }, 0),
    );
    return `${name} ${percent(errors[0] / errors[1] - 1)}`;
  });
  return [["squared error of the weights that entries in whole numbers add to a table's", added.join(", ")]];
}

/** Does κ·E rank the losses of layers and schemes as they are measured? Does E alone? */
async function losses(): Promise<[string, string][]> {
  const clips = unheard.slice(0, LOSS_CLIPS);
  const kappas = new Map(Array.from(await lossesIn(PROBE, clips), ([name, { loss, error }]) => [name, loss / error]));
  const ofScheme: { predicted: number[]; errors: number[]; measured: number[] }[] = [];
  for (const scheme of MIXED_SCHEMES) {
    const standIn: Scheme = scheme.table === "learned" ? { ...scheme, table: "kmeans", compensate: "gptq" } : scheme;
    const got = [...(await lossesIn(standIn, clips))];
    ofScheme.push({
      predicted: got.map(([name, { error }]) => (kappas.get(name) ?? Number.NaN) * error),
      errors: got.map(([, { error }]) => error),
      measured: got.map(([, { loss }]) => loss),
    });
  }
  const all = (key: "predicted" | "errors" | "measured") => ofScheme.flatMap((scheme) => scheme[key]);
  const ranks = (key: "predicted" | "errors") => {
    const within = ofScheme.map((scheme) => rankCorrelation(scheme[key], scheme.measured));
    const range = `${Math.min(...within).toFixed(2)} to ${Math.max(...within).toFixed(2)}`;
    return `${rankCorrelation(all(key), all("measured")).toFixed(2)}; of the layers in one scheme ${range}`;
  };
  const sizes = [...kappas.values()];
  const what = `of ${layers.length} layers × ${MIXED_SCHEMES.length} schemes, each alone in the model, on ${LOSS_CLIPS} clips`;
  return [
    [`rank correlation with the loss ${what}: of κ·E`, ranks("predicted")],
    ["the same of E alone", ranks("errors")],
    ["largest κ of a layer by the smallest", (Math.max(...sizes) / Math.min(...sizes)).toFixed(0)],
  ];
}

async function lossesIn(scheme: Scheme, clips: readonly Prompt[]) {
  const errors = new Map<string, number>();
  async function* probes(): AsyncGenerator<[string, QuantizedTensor]> {
    for (const { name, weight, shape } of layers) {
      const own = statisticsOf(name);
      const probe = quantizeTensor(weight, shape, scheme, { name, statistics: own });
      errors.set(name, outputError(dequantize(probe), weight, own.hessian, shape));
      yield [name, probe];
    }
  }
  const losses = await measureLosses(model, clips, probes());
  return new Map(Array.from(losses, ([name, loss]) => [name, { loss, error: errors.get(name) ?? Number.NaN }]));
}

/** Spearman's: Pearson's of the ranks. */
function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const ranked = (of: readonly number[]) => {
    const order = of.map((_, i) => i).sort((i, j) => of[i] - of[j]);
    const rank = new Array<number>(of.length);
    order.forEach((i, at) => {
      rank[i] = at - (of.length - 1) / 2;
    });
    return rank;
  };
  const [x, y] = [ranked(a), ranked(b)];
  const dot = (u: readonly number[], v: readonly number[]) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

/** What GPTQ's damping leaves of the output's error on clips that calibration did not hear, by that of 1 %. */
function damping(): [string, string][] {
  const shares = [0.01, 0.03, 0.05, 0.1];
  return (["w_1", "w_2", "linear_q_k_v", "linear_out", "ctc_lo"] as const).map((kind) => {
    const of = layers.filter(({ name }) => name.includes(kind));
    const errors = shares.map((share) => of.reduce((sum, layer) => sum + unheardError(layer, share), 0));
    const shown = errors.map((error, i) => `${percent(shares[i])}: ${(error / errors[0]).toFixed(2)}`);
    return [`output error of int4-gptq in ${kind} on clips not heard, by damping`, shown.join(", ")];
  });
}

function unheardError({ name, weight, shape }: Layer, share: number): number {
  const { k, hessian } = statisticsOf(name);
  const damped = Float64Array.from(hessian);
  let trace = 0;
  for (let i = 0; i < k; i++) trace += hessian[i * k + i];
  for (let i = 0; i < k; i++) damped[i * k + i] += (share * trace) / k;
  const scheme = PRESETS["int4-gptq"];
  const grid = fitGrid(weight, shape, scheme);
  const codes = packCodes(gptq(grid, weight, prepareCompensation(damped, k)), shape, scheme.bits);
  const quantized: QuantizedTensor = { dtype: "quantized", ...grid, codes };
  return outputError(dequantize(quantized), weight, statisticsOf(name, others).hessian, shape);
}

function percent(share: number): string {
  return `${(share * 100).toPrecision(2)} %`;
}
