import { writeModelFolder } from "../convert/writeModelFolder.ts";
import { SenseVoiceError } from "../error.ts";
import { type ModelFiles, openModel } from "../model/sensevoice/modelFiles.ts";
import { linearParameters } from "../model/sensevoice/parameters.ts";
import type { Prompt } from "../model/sensevoice/prompt.ts";
import { elementCount, type HostTensor } from "../tensor/host.ts";
import type { Weight } from "../tensor/quantized.ts";
import { sha256 } from "../weights/file.ts";
import { folderSource } from "../weights/folderSource.ts";
import { type Progress, WEIGHTS_FILE } from "../weights/source.ts";
import { DeviceLayer, type Heard } from "./deviceLayer.ts";
import type { SharedGrid } from "./fitGrid.ts";
import { hear, type Wanted } from "./hear.ts";
import { type Job, openJob } from "./job.ts";
import { candidateOf, MIXED_SCHEMES, PROBE, standInOf } from "./mixed.ts";
import { expectLayers, mixedPolicy, type Policy, schemeOf } from "./policy.ts";
import { probe } from "./probe.ts";
import { fitShared, quantizeWeights } from "./quantizeWeights.ts";
import { needsStatistics, type Scheme } from "./scheme.ts";
import { biasOf } from "./sequential.ts";
import { type CalibrationClip, inSequence, openStudy, promptsOf, type Study } from "./study.ts";
import { withVariations } from "./variations.ts";

/** Clips that the losses of a mixed policy are measured on, and the rows from their middles. */
const PROBE_CLIPS = 12;
const PROBE_ROWS = 16;
/** A layer's errors in the schemes of a mixed policy are estimated from so many of its rows. */
const WEIGHED_ROWS = 256;

export interface QuantizeFolderOptions {
  /** A policy; or a size to find a mixed one for: stored bits of a linear weight, on average. */
  readonly policy: Policy | MixedPolicy;
  /** Needed by mixed policies and by schemes that look at activations. */
  readonly clips?: readonly CalibrationClip[];
  /** Goes on with what an interrupted call with the same arguments has left beside the target. */
  readonly resume?: boolean;
  /**
   * Quantises each layer for what the quantised layers before it hand on, and moves weights and biases to make up for
   * their errors: quantizeSequentially. Takes a few runs of the model over the clips and their variations, needs sound
   * whatever the schemes are, and is done anew after an interruption; a mixed policy is not.
   */
  readonly sequential?: boolean;
  readonly onProgress?: (progress: Progress) => void;
}

interface MixedPolicy {
  readonly name: string;
  readonly bitsPerWeight: number;
}

/**
 * Puts the linear layers of a model folder into few bits and writes another model folder, which loads as any does.
 *
 * @returns the policy, which is in the new folder's config.json as well
 * @throws SenseVoiceError if the source is quantised already, the policy names a layer that is not there, sound is
 *   needed and there is none, the budget is too small, or what is to be resumed was begun otherwise
 */
export async function quantizeFolder(
  source: string,
  target: string,
  { policy: asked, clips = [], sequential = false, resume = false, onProgress }: QuantizeFolderOptions,
): Promise<Policy> {
  const folder = await openModel(folderSource(source));
  if (folder.config.quantization) {
    throw new SenseVoiceError(`[quant] ${source}: expected a model in f32 or f16, got one in ${folder.config.weights}`);
  }
  const linears = linearParameters(folder.config);
  const names = new Set(linears.map(({ name }) => name));
  const mixed = "bitsPerWeight" in asked;
  if (!mixed) expectLayers(asked, [...names]);
  const calibrated = mixed || sequential || [asked.scheme, ...Object.values(asked.layers)].some(needsStatistics);
  if (calibrated && clips.length === 0) {
    throw new SenseVoiceError(
      `[quant] ${asked.name}: expected calibration sound, got none: give some with --calibrate`,
    );
  }
  const total = linears.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const report = (task: string) => {
    let done = 0;
    return (...shapes: readonly (readonly number[])[]) => {
      if (shapes.length === 0) return;
      done += shapes.reduce((sum, shape) => sum + elementCount(shape), 0);
      onProgress?.({ task, done, total });
    };
  };
  const write = (policy: Policy, weights: Tensors) => {
    const { quantization, files, ...config } = folder.config;
    const madeFrom = files[WEIGHTS_FILE].sha256;
    const made = { ...config, weights: policy.name, policy, madeFrom };
    return writeModelFolder(target, made, folder.tokenizer, weights);
  };
  const others = () => only(folder, (name) => !names.has(name));
  const layers = () => only(folder, (name) => names.has(name));
  if (!calibrated) {
    const policy = asked as Policy;
    const done = report("quantise");
    await write(policy, joined(others(), told(quantizeWeights(layers, policy), done)));
    return policy;
  }
  const { files, encoder } = folder.config;
  const job = await openJob(target, { files, encoder, asked, clips: await digestClips(clips) }, resume);
  try {
    const study = await openStudy(folder, clips);
    let policy: Policy;
    try {
      policy = mixed ? await findMixed(study, job, asked, total, report) : asked;
      const shared = await fitShared(layers, policy);
      if (sequential) {
        const changed = new Set(linears.flatMap(({ name }) => [name, biasOf(name)]));
        const varied = { ...study, clips: await promptsOf(folder, study.model, withVariations(clips)) };
        const same = only(folder, (name) => !changed.has(name));
        await write(policy, joined(same, told(inSequence(varied, policy, shared), report("quantise"))));
      } else await quantise(study, job, policy, shared, report("quantise"));
    } finally {
      study.backend.close();
    }
    if (!sequential) await write(policy, joined(others(), tensorsOf(job, linears)));
    job.remove();
    return policy;
  } finally {
    await job.close();
  }
}

type Tensors = AsyncIterable<[name: string, tensor: Weight]>;
type Done = (...shapes: readonly (readonly number[])[]) => void;

async function* joined(...streams: readonly Tensors[]): AsyncGenerator<[name: string, tensor: Weight]> {
  for (const stream of streams) yield* stream;
}

async function* told(tensors: Tensors, done: Done): AsyncGenerator<[name: string, tensor: Weight]> {
  for await (const entry of tensors) {
    yield entry;
    if (entry[1].dtype === "quantized") done(entry[1].shape);
  }
}

async function* tensorsOf(job: Job, layers: readonly { name: string }[]): AsyncGenerator<[string, Weight]> {
  for (const { name } of layers) yield [name, await job.tensor(name)];
}

async function* only(folder: ModelFiles, wanted: (name: string) => boolean): AsyncGenerator<[string, HostTensor]> {
  for await (const [name, tensor] of folder.tensors()) {
    if (wanted(name) && tensor.dtype !== "quantized") yield [name, tensor];
  }
}

/** SHA-256 of all samples. */
async function digestClips(clips: readonly CalibrationClip[]): Promise<string> {
  const hash = sha256();
  for (const { pcm, itn } of clips) {
    hash.update(new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength));
    hash.update(Uint8Array.of(Number(itn)));
  }
  return hash.digest();
}

/** Every `stride`-th row of a layer of the model. */
function layerOf({ kernels, model }: Study, name: string, heard?: Heard, stride = 1): DeviceLayer {
  const weight = model.weights.linears.get(name);
  if (!weight) throw new Error(`there is no ${name}`);
  return new DeviceLayer(kernels, name, kernels.unpack(weight, stride), heard);
}

async function findMixed(
  study: Study,
  job: Job,
  { name: policyName, bitsPerWeight }: MixedPolicy,
  total: number,
  report: (task: string) => Done,
): Promise<Policy> {
  const shapes = new Map(Array.from(study.model.weights.linears, ([name, { shape }]) => [name, shape]));
  const tell = (task: string, known: Iterable<string>) => {
    const done = report(task);
    const told = (...names: readonly string[]) => done(...names.map((name) => shapes.get(name) ?? []));
    told(...known);
    return told;
  };
  const probed = tell("probe", job.losses.keys());
  if (job.losses.size < shapes.size) {
    const few = study.clips.filter((_, i) => i % Math.ceil(study.clips.length / PROBE_CLIPS) === 0).map(middleOf);
    const probeOf = async (name: string) => {
      if (job.losses.has(name)) return undefined;
      const layer = layerOf(study, name);
      return layer.quantize(PROBE).finally(() => layer.release());
    };
    for await (const [name, loss] of probe(study, study.kernels, few, probeOf)) {
      job.addLoss(name, loss);
      probed(name);
    }
  }
  const weighed = tell("weigh", job.errors.keys());
  if (job.errors.size < shapes.size) {
    const wanted = (name: string) => (job.errors.has(name) ? undefined : { hessian: true, sizes: false });
    for await (const [name, heard] of hear(study, study.kernels, study.clips, wanted)) {
      const [n] = shapes.get(name) ?? [1];
      const stride = Math.max(1, Math.floor(n / WEIGHED_ROWS));
      const layer = layerOf(study, name, heard, stride);
      try {
        const errors: number[] = [];
        for (const scheme of [PROBE, ...MIXED_SCHEMES]) errors.push(await layer.errorOf(standInOf(scheme)));
        job.addErrors(name, errors);
      } finally {
        await layer.release();
      }
      weighed(name);
    }
  }
  const candidates = Array.from(shapes, ([name, [n, k]]) => {
    const [loss, [probed, ...errors]] = [job.losses.get(name) ?? 0, job.errors.get(name) ?? []];
    return candidateOf({ name, shape: [n, k], loss, probed, errors });
  });
  return mixedPolicy(policyName, candidates, bitsPerWeight * total);
}

/** A second from the middle of a clip. */
function middleOf(clip: Prompt): Prompt {
  const { rows, data } = clip.features;
  const width = data.length / rows;
  const count = Math.min(rows, PROBE_ROWS);
  const first = Math.floor((rows - count) / 2);
  return { ...clip, features: { rows: count, data: data.slice(first * width, (first + count) * width) } };
}

/** Quantises what is not done yet. */
async function quantise(
  study: Study,
  job: Job,
  policy: Policy,
  shared: ReadonlyMap<string, SharedGrid>,
  done: Done,
): Promise<void> {
  const { linears } = study.model.weights;
  done(...Array.from(job.done, (name) => linears.get(name)?.shape ?? []));
  if (job.done.size === linears.size) return;
  const wanted = (name: string) => (job.done.has(name) ? undefined : wantedBy(schemeOf(policy, name)));
  for await (const [name, heard] of hear(study, study.kernels, study.clips, wanted)) {
    const scheme = schemeOf(policy, name);
    const layer = layerOf(study, name, heard);
    try {
      await job.addTensor(name, await layer.quantize(scheme, shared.get(JSON.stringify(scheme))));
    } finally {
      await layer.release();
    }
    done(layer.shape);
  }
}

function wantedBy(scheme: Scheme): Wanted {
  const hessian = scheme.table === "kmeans" || needsStatistics({ ...scheme, activation: undefined });
  return { hessian, sizes: scheme.activation === "static" };
}
