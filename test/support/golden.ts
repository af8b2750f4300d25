import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { randomTensor } from "../../scripts/random-weights.ts";
import { collapse } from "../../src/model/sensevoice/ctc.ts";
import type { SenseVoice } from "../../src/model/sensevoice/network.ts";
import type { Prompt } from "../../src/model/sensevoice/prompt.ts";
import type { LinearWeight, Tensor } from "../../src/tensor/backend.ts";
import { openSafetensors } from "../../src/weights/safetensorsFile.ts";
import { relativeError, TOLERANCE } from "./tolerances.ts";

/** What FunASR computed for one clip; test/golden/README.md describes the files. */
export interface Golden {
  readonly tokens: readonly number[];
  /** Smallest distance, over the rows, of the two best logits, in standard deviations of the row's logits. */
  readonly minMargin: number;
  /** What is kept of each part's whole output, by FunASR's name; the logits are the last. */
  readonly outputs: Readonly<Record<string, Summary>>;
}

export interface Summary {
  readonly shape: readonly number[];
  readonly rms: number;
  readonly absMax: number;
  /** The dot products of the whole output with seeded random directions. */
  readonly projections: readonly number[];
}

/** Of one clip, the largest of each kind. */
export interface GoldenErrors {
  /** Of the numbers that are kept as they are: max |a − b| / max |b|. */
  readonly numbers: number;
  /** Of whole outputs: ‖a − b‖ / ‖b‖, estimated. */
  readonly whole: number;
  /** Of a log-probability, in nats. */
  readonly logProb: number;
}

const path = (name: string) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));

export function readGoldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(path(name), "utf8")) as T;
}

/** All tensors of a golden file as plain arrays. */
export async function readGoldenTensors(name: string): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(path(name));
  const tensors = new Map<string, Float32Array>();
  for (const key of file.names) tensors.set(key, Float32Array.from((await file.read(key)).data));
  await file.close();
  return tensors;
}

interface Output {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Each part's output and the logits, what was heard, and the log-probabilities [R, L] of `asked`. */
async function runModel<T extends Tensor, W extends LinearWeight<T>>(
  model: SenseVoice<T, W>,
  prompt: Prompt,
  asked: Uint32Array<ArrayBuffer>,
) {
  const { backend } = model;
  const { weight, bias } = model.weights.head;
  const outputs: Output[] = [];
  const tap = async (name: string, output: T) => {
    outputs.push({ name, shape: output.shape, data: await backend.read(output) });
  };
  const { x, batch } = await model.encode([prompt], { tap });
  await tap("logits", backend.linear(x, weight, { bias }));
  [x, batch.offsets].forEach(backend.release);
  const { clips, release } = await model.recognize([prompt]);
  const [heard] = clips;
  const result = { outputs, heard, logProbs: await heard.logProbsOf(asked, 0, heard.ids.length) };
  release();
  return result;
}

/** Encodes and compares with FunASR: every layer, the logits, the head's log-probabilities, and the tokens. */
export async function expectGolden<T extends Tensor, W extends LinearWeight<T>>(
  model: SenseVoice<T, W>,
  prompt: Prompt,
  golden: Golden,
  tensorOf: (name: string) => Float32Array | undefined,
): Promise<GoldenErrors> {
  const tensor = (name: string) => {
    const found = tensorOf(name);
    if (!found) throw new Error(`the golden has no ${name}`);
    return found;
  };
  const top: Top = {
    ids: tensor("top5.ids"),
    values: tensor("top5.values"),
    logSumExp: tensor("logsumexp"),
    asked: Uint32Array.from(new Set(tensor("top5.ids"))),
  };
  const onWebgpu = model.backend.name === "webgpu";
  const ofLayer = onWebgpu ? TOLERANCE.layerWebgpu : TOLERANCE.layer;
  const ofLogProb = onWebgpu ? TOLERANCE.logProbWebgpu : TOLERANCE.logProb;
  const { outputs, heard, logProbs } = await runModel(model, prompt, top.asked);
  expect(outputs.map(({ name }) => name)).toEqual(Object.keys(golden.outputs));
  const errors = outputs.map((output) => {
    const summary = golden.outputs[output.name];
    expect(output.shape, output.name).toEqual(summary.shape);
    const error = errorsOf(output, summary, tensor(output.name));
    expect(error.numbers, output.name).toBeLessThan(ofLayer);
    expect(error.whole, output.name).toBeLessThan(ofLayer);
    return error;
  });
  const logits = outputs[outputs.length - 1].data;
  const logProb = logProbError(logits, logProbs, top);
  expect(logProb).toBeLessThan(ofLogProb);
  expect(Math.abs(marginOf(logits, top.logSumExp.length) - golden.minMargin)).toBeLessThan(ofLogProb);
  expect(Array.from(heard.ids)).toEqual(Array.from(top.logSumExp, (_, row) => top.ids[row * TOP]));
  const bestError = heard.logProbs.map((v, row) => Math.abs(v - (top.values[row * TOP] - top.logSumExp[row])));
  expect(Math.max(...bestError)).toBeLessThan(ofLogProb);
  expect(collapse(heard.ids)).toEqual(golden.tokens);
  return {
    numbers: Math.max(...errors.map(({ numbers }) => numbers)),
    whole: Math.max(...errors.map(({ whole }) => whole)),
    logProb: Math.max(logProb, ...bestError),
  };
}

/**
 * What is kept as it is: the first 16 columns of rows 0 to 3 and of the last one, and the largest magnitude. And the
 * whole: for directions p of numbers uniform in [−1, 1), (p · e)² is ‖e‖² / 3 on average.
 */
export function errorsOf(
  { shape: [rows, columns], data }: Omit<Output, "name">,
  { rms, absMax, projections }: Summary,
  corner: ArrayLike<number>,
): { numbers: number; whole: number } {
  const part = [0, 1, 2, 3, rows - 1].flatMap((row) => [...data.subarray(row * columns, row * columns + 16)]);
  const largest = data.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
  const numbers = Math.max(relativeError(part, corner), relativeError([largest], [absMax]));
  const squares = projections.map((expected, j) => (project(data, j) - expected) ** 2);
  const mean = squares.reduce((sum, v) => sum + v, 0) / squares.length;
  return { numbers, whole: Math.sqrt((3 * mean) / data.length) / rms };
}

const directions: Float32Array[] = [];

/** The dot product with seeded random direction `j`; of two directions the shorter is the beginning of the longer. */
export function project(data: Float32Array, j: number): number {
  if (!(directions[j]?.length >= data.length)) {
    directions[j] = randomTensor(`projection.${j}`, [data.length]).data;
  }
  const direction = directions[j];
  return data.reduce((sum, v, i) => sum + v * direction[i], 0);
}

/** Of each row, FunASR's five greatest logits and the log of the sum of all exponentials. */
interface Top {
  readonly ids: Float32Array;
  readonly values: Float32Array;
  readonly logSumExp: Float32Array;
  /** All the ids, each once. */
  readonly asked: Uint32Array<ArrayBuffer>;
}
const TOP = 5;

/** The largest error of a log-probability: from the logits, and from the kernel that makes log-probabilities. */
function logProbError(logits: Float32Array, logProbs: Float32Array, top: Top): number {
  const rows = top.logSumExp.length;
  const vocabulary = logits.length / rows;
  const column = new Map(Array.from(top.asked, (id, i) => [id, i]));
  let worst = 0;
  for (let row = 0; row < rows; row++) {
    const all = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
    const logSumExp = Math.log(all.reduce((sum, v) => sum + Math.exp(v), 0));
    worst = Math.max(worst, Math.abs(logSumExp - top.logSumExp[row]));
    const ids = top.ids.subarray(row * TOP, (row + 1) * TOP);
    for (const [i, id] of ids.entries()) {
      const expected = top.values[row * TOP + i];
      const logProb = logProbs[row * top.asked.length + (column.get(id) ?? Number.NaN)];
      const errors = [all[id] - expected, logProb - (expected - top.logSumExp[row])].map(Math.abs);
      worst = Math.max(worst, ...errors);
    }
    // No other logit is among the five greatest.
    const fifth = top.values[row * TOP + TOP - 1];
    for (const [id, v] of all.entries()) if (!ids.includes(id)) worst = Math.max(worst, v - fifth);
  }
  return worst;
}

/** The smallest distance, over the rows, of the two greatest logits, in standard deviations of the row's logits. */
function marginOf(logits: Float32Array, rows: number): number {
  const vocabulary = logits.length / rows;
  let smallest = Number.POSITIVE_INFINITY;
  for (let row = 0; row < rows; row++) {
    const all = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
    const sorted = all.toSorted();
    const mean = all.reduce((sum, v) => sum + v, 0) / vocabulary;
    const variance = all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (vocabulary - 1);
    const distance = sorted[vocabulary - 1] - sorted[vocabulary - 2];
    smallest = Math.min(smallest, distance / Math.sqrt(variance));
  }
  return smallest;
}
