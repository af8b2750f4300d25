import { extractFeatures } from "../audio/features.ts";
import { writeModelFolder } from "../convert/writeModelFolder.ts";
import { SenseVoiceError } from "../error.ts";
import { createWasmBackend } from "../kernels/wasm/backend.ts";
import type { WasmTensor } from "../kernels/wasm/device.ts";
import type { WasmWeight } from "../kernels/wasm/weight.ts";
import { type ModelFiles, openModel } from "../model/sensevoice/modelFiles.ts";
import { SenseVoice } from "../model/sensevoice/network.ts";
import { linearParameters } from "../model/sensevoice/parameters.ts";
import type { Prompt } from "../model/sensevoice/prompt.ts";
import { loadWeights } from "../model/sensevoice/weights.ts";
import { asF32 } from "../tensor/f16.ts";
import { elementCount, type HostTensor } from "../tensor/host.ts";
import type { Weight } from "../tensor/quantized.ts";
import { folderSource } from "../weights/folderSource.ts";
import { type Progress, WEIGHTS_FILE } from "../weights/source.ts";
import { calibrate } from "./calibrate.ts";
import { candidateOf, PROBE } from "./mixed.ts";
import { type Candidate, expectLayers, mixedPolicy, type Policy } from "./policy.ts";
import { quantizeTensor } from "./quantize.ts";
import { quantizeWeights } from "./quantizeWeights.ts";
import { needsStatistics } from "./scheme.ts";
import { measureLosses } from "./sensitivity.ts";

/** Calibration statistics are K² numbers a layer: as many layers are gathered at a time as this holds. */
const STATISTICS_BYTES = 2 ** 30;
/** Clips that the losses of a mixed policy are measured on; each costs a forward pass a layer. */
const PROBE_CLIPS = 16;

/** Sound to calibrate with: samples at 16 kHz, and whether punctuation is asked for. */
export interface CalibrationClip {
  readonly pcm: Float32Array;
  readonly itn: boolean;
}

export interface QuantizeFolderOptions {
  /** A policy; or a size to find a mixed one for: stored bits of a linear weight, on average. */
  readonly policy: Policy | { readonly name: string; readonly bitsPerWeight: number };
  /** Needed by mixed policies and by schemes that look at activations. */
  readonly clips?: readonly CalibrationClip[];
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Puts the linear layers of a model folder into few bits and writes another model folder, which loads as any does.
 *
 * @returns the policy, which is in the new folder's config.json as well
 * @throws SenseVoiceError if the source is quantised already, the policy names a layer that is not there, sound is
 *   needed and there is none, or the budget is too small
 */
export async function quantizeFolder(
  source: string,
  target: string,
  { policy: asked, clips = [], onProgress }: QuantizeFolderOptions,
): Promise<Policy> {
  const folder = await openModel(folderSource(source));
  if (folder.config.quantization) {
    throw new SenseVoiceError(`[quant] ${source}: expected a model in f32 or f16, got one in ${folder.config.weights}`);
  }
  const linears = linearParameters(folder.config);
  const mixed = "bitsPerWeight" in asked;
  if (!mixed)
    expectLayers(
      asked,
      linears.map(({ name }) => name),
    );
  const calibrated = mixed || [asked.scheme, ...Object.values(asked.layers)].some(needsStatistics);
  if (calibrated && clips.length === 0) {
    throw new SenseVoiceError(
      `[quant] ${asked.name}: expected calibration sound, got none: give some with --calibrate`,
    );
  }

  const study = calibrated ? await openStudy(folder, clips) : undefined;
  try {
    const total = linears.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const report = (task: string) => {
      let done = 0;
      return (elements: number) => {
        done += elements;
        onProgress?.({ task, done, total });
      };
    };
    const groups = study ? groupBySize(linears) : [linears];
    const policy = mixed && study ? await findMixed(folder, study, groups, asked, total, report) : (asked as Policy);
    const quantised = quantise(folder, study, groups, policy, report("quantise"));
    const { quantization, files, ...config } = folder.config;
    const madeFrom = files[WEIGHTS_FILE].sha256;
    const made = { ...config, weights: policy.name, policy, madeFrom };
    await writeModelFolder(target, made, folder.tokenizer, quantised);
    return policy;
  } finally {
    study?.model.backend.close();
  }
}

interface Named {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The model on a device, and what it is to hear. */
interface Study {
  readonly model: SenseVoice<WasmTensor, WasmWeight>;
  readonly clips: readonly Prompt[];
}

type Report = (task: string) => (elements: number) => void;

async function openStudy(folder: ModelFiles, clips: readonly CalibrationClip[]): Promise<Study> {
  const { encoder, frontend } = folder.config;
  const backend = await createWasmBackend();
  try {
    const weights = await loadWeights(backend, folder.config, folder.tensors());
    const prompts: Prompt[] = [];
    for (const { pcm, itn } of clips) {
      prompts.push({ language: "auto", itn, features: await extractFeatures(pcm, frontend, weights.cmvn) });
    }
    return { model: new SenseVoice(backend, encoder, weights), clips: prompts };
  } catch (error) {
    backend.close();
    throw error;
  }
}

/** Splits the layers so that the statistics of each part fit in memory. */
function groupBySize(linears: readonly Named[]): Named[][] {
  const groups: Named[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const linear of linears) {
    const own = linear.shape[1] ** 2 * 8;
    bytes += own;
    if (bytes > STATISTICS_BYTES) {
      groups.push([]);
      bytes = own;
    }
    groups[groups.length - 1].push(linear);
  }
  return groups;
}

/** The tensors of a group of layers. */
async function* only(folder: ModelFiles, group: readonly Named[]): AsyncGenerator<[string, HostTensor]> {
  const names = new Set(group.map(({ name }) => name));
  for await (const [name, tensor] of folder.tensors()) {
    if (names.has(name) && tensor.dtype !== "quantized") yield [name, tensor];
  }
}

function statisticsOf({ model, clips }: Study, group: readonly Named[]) {
  const names = new Set(group.map(({ name }) => name));
  return calibrate(model, clips, (name) => names.has(name));
}

async function findMixed(
  folder: ModelFiles,
  study: Study,
  groups: readonly (readonly Named[])[],
  { name: policyName, bitsPerWeight }: { name: string; bitsPerWeight: number },
  total: number,
  report: Report,
): Promise<Policy> {
  const { model, clips } = study;
  const probed = report("probe");
  async function* probes(): AsyncGenerator<[string, Weight]> {
    for await (const [name, tensor] of only(folder, groups.flat())) {
      const [n, k] = tensor.shape;
      yield [name, quantizeTensor(asF32(tensor), [n, k], PROBE, { name })];
      probed(n * k);
    }
  }
  const few = clips.filter((_, i) => i % Math.ceil(clips.length / PROBE_CLIPS) === 0);
  const losses = await measureLosses(model, few, probes());
  const weighed = report("weigh");
  const candidates: Candidate[] = [];
  for (const group of groups) {
    const statistics = await statisticsOf(study, group);
    for await (const [name, tensor] of only(folder, group)) {
      const [n, k] = tensor.shape;
      const [own, loss] = [statistics.get(name), losses.get(name)];
      if (!own || loss === undefined) throw new Error(`${name} was not measured`);
      candidates.push(candidateOf({ name, weight: asF32(tensor), shape: [n, k], statistics: own, loss }));
      weighed(n * k);
    }
  }
  return mixedPolicy(policyName, candidates, bitsPerWeight * total);
}

/** All tensors of the new model: what stays as it is first, then the layers, group by group. */
async function* quantise(
  folder: ModelFiles,
  study: Study | undefined,
  groups: readonly (readonly Named[])[],
  policy: Policy,
  done: (elements: number) => void,
): AsyncGenerator<[name: string, tensor: Weight]> {
  const linear = new Set(groups.flat().map(({ name }) => name));
  for await (const entry of folder.tensors()) if (!linear.has(entry[0])) yield entry;
  for (const group of groups) {
    const statistics = study && (await statisticsOf(study, group));
    for await (const [name, tensor] of quantizeWeights(() => only(folder, group), policy, statistics)) {
      yield [name, tensor];
      done(elementCount(tensor.shape));
    }
  }
}
