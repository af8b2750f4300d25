import { debug, debugLevel } from "./debug.ts";
import { Engine, type EngineParts } from "./engine.ts";
import { SenseVoiceError } from "./error.ts";
import { referenceBackend } from "./kernels/reference/backend.ts";
import { createWasmBackend } from "./kernels/wasm/backend.ts";
import { openGpu } from "./kernels/webgpu/adapter.ts";
import { webgpuBackend } from "./kernels/webgpu/backend.ts";
import type { Gpu } from "./kernels/webgpu/gpu.ts";
import { Profile } from "./kernels/webgpu/profile.ts";
import { linearOperation } from "./kernels/webgpu/tuner/linear.ts";
import type { Times } from "./kernels/webgpu/tuner/times.ts";
import { loadVad } from "./model/fsmnVad/open.ts";
import type { ModelConfig } from "./model/sensevoice/config.ts";
import { type ModelFiles, openModel } from "./model/sensevoice/modelFiles.ts";
import { prepareLayer, SenseVoice } from "./model/sensevoice/network.ts";
import { linearParameters } from "./model/sensevoice/parameters.ts";
import { createTokenizer } from "./model/sensevoice/tokenizer.ts";
import { loadWeights, type ModelWeights } from "./model/sensevoice/weights.ts";
import {
  checkChoice,
  checkNumber,
  checkSignal,
  DEVICES,
  type Device,
  expectObject,
  type Tune,
  type TuningStore,
  WEIGHT_TYPES,
  type WeightType,
} from "./options.ts";
import { untilAborted } from "./pause.ts";
import type { Backend, LinearWeight, Tensor } from "./tensor/backend.ts";
import { castFloats } from "./tensor/f16.ts";
import { dequantize, type Weight } from "./tensor/quantized.ts";
import { openTuner, tuneOf } from "./tuning.ts";
import type { ModelSource, Progress } from "./weights/source.ts";
import { WEIGHTS_FILE } from "./weights/source.ts";

export interface LoadOptions {
  /** `"auto"` (the default) takes a hardware WebGPU adapter if there is one, else the CPU. */
  readonly device?: Device;
  /** Threads of the CPU device; as many as there are cores unless given. */
  readonly threads?: number;
  /**
   * How the linear weights are kept on the device. Unless given: as the model has them; but floats in int8 on the CPU,
   * which is twice as fast there.
   */
  readonly weights?: WeightType;
  /**
   * Whether kernels are timed on the GPU, which takes up to 3 s once for an adapter, its driver and the shapes of a model:
   * `"auto"` (the default, or $SENSEVOICE_TUNE) where it is not known yet which are the fastest, `"force"` anew, `"off"` never.
   */
  readonly tune?: Tune;
  /** Seconds that this may take; 2.5 unless given. */
  readonly tuneSeconds?: number;
  /** Whether the time of each GPU kernel is printed on stderr when the engine is closed; each call takes longer then. */
  readonly profile?: boolean;
  /** FSMN-VAD; that in the model's folder `vad` unless given. */
  readonly vad?: ModelSource;
  /** Opens CAM++ to be loaded, once speakers are asked for; that in the model's folder `speaker` unless given. */
  readonly speaker?: OpenModel;
  /** Where a copy of the model in int8 is kept; without, or where there is none, floats become int8 as they are loaded. */
  readonly int8?: Int8Copy;
  /** Called as the weights come, and while kernels are timed. */
  readonly onProgress?: (progress: Progress) => void;
  /** @internal Where it stays which kernels are the fastest. */
  readonly tuningStore?: TuningStore;
  /** Ends loading early; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Calls `use` with a model; what it resolves to. Rejects if there is no model. */
export type OpenModel = <R>(use: (source: ModelSource) => Promise<R>) => Promise<R>;

/** A copy of a model in int8 that is made once and kept. */
export interface Int8Copy {
  /** Finds the copy or makes it; undefined if none is kept. */
  open(config: ModelConfig, options: Pick<LoadOptions, "onProgress" | "signal">): Promise<ModelSource | undefined>;
  /** Removes a copy that turned out to be damaged. */
  discard(): Promise<void>;
}

/**
 * Loads a model onto a device.
 *
 * @param readSound see EngineParts
 * @throws SenseVoiceError if an option is not as described, the model is damaged, or there is no such device
 */
export async function loadEngine(
  source: ModelSource,
  readSound: EngineParts["readSound"],
  options: LoadOptions = {},
): Promise<Engine> {
  expectObject("options", options);
  checkSignal(options.signal);
  return untilAborted(load(source, readSound, options), options.signal);
}

/** A GPU, and what is known of the times of its kernels. */
interface TunedGpu {
  readonly gpu: Gpu;
  readonly times: Map<string, Times>;
}

/** Calls `use` with the backend of a device: each has types of its own. */
type UseBackend<R> = <T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  tuned?: TunedGpu,
) => Promise<R>;

async function load(source: ModelSource, readSound: EngineParts["readSound"], options: LoadOptions): Promise<Engine> {
  const { device = "auto", threads, weights: asked, vad: given, onProgress, signal } = options;
  const { profile = debugLevel() >= 2, tuneSeconds = 2.5, tuningStore: store } = options;
  checkChoice("weights", asked, [undefined, ...WEIGHT_TYPES]);
  checkChoice("device", device, DEVICES);
  checkChoice("profile", profile, [true, false]);
  const tune = tuneOf(options.tune);
  checkNumber("tuneSeconds", tuneSeconds, 0, 3600);
  const files = await openModel(source);
  const { config } = files;
  const tokenizer = createTokenizer(files.tokenizer);
  if (tokenizer.size !== config.vocabSize) {
    throw new SenseVoiceError(`[engine] tokenizer: expected ${config.vocabSize} pieces, got ${tokenizer.size}`);
  }
  return withBackend({ device, threads }, async (backend, tuned) => {
    const type = asked ?? (backend.name === "cpu" && !config.quantization ? "int8" : undefined);
    const weights = type ?? config.weights;
    debug(2, () => `[engine] ${source.name}, ${weights}, on ${backend.description}`);
    try {
      const kinds = new Set(linearParameters(config).map(({ shape }) => shape.join())).size;
      const limitMs = tuneSeconds * 1000;
      const tuner = tuned && (await openTuner(tuned.gpu, tuned.times, { tune, limitMs, store, kinds, onProgress }));
      const loaded =
        (asked === undefined && type === "int8" && (await loadCopy(backend, config, options))) ||
        (await loadTensors(backend, files, type, options, async (weight) => {
          if (tuned) await tuner?.tune(linearOperation(tuned.gpu, weight));
        }));
      if (tuner) tuned?.gpu.trim(); // what was made to be timed
      const model = new SenseVoice(backend, config.encoder, loaded);
      await model.prepare();
      const vadSource = given ?? ((await source.has("vad/config.json")) ? source.folder("vad") : undefined);
      const vad = vadSource && (await loadVad(backend, vadSource));
      const loadSpeakers = speakerLoader(backend, source, options.speaker, config.quantization ? "int8" : type);
      signal?.throwIfAborted();
      const engine = new Engine({ model, config, tokenizer, cmvn: loaded.cmvn, weights, readSound, vad, loadSpeakers });
      if (tuned && !tuned.gpu.traits.software) await warmUp(engine);
      if (tuned && profile) new Profile(tuned.gpu);
      return engine;
    } catch (error) {
      backend.close();
      throw error;
    }
  });
}

/** What loads CAM++ once it is asked for, its weights in int8 where the recogniser's are in few bits, or exact, in f32. */
function speakerLoader<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  source: ModelSource,
  open: OpenModel = async (use) => use(await speakerFolder(source)),
  type?: WeightType,
): EngineParts["loadSpeakers"] {
  const load = async (weights: WeightType | undefined) => {
    const { loadSpeaker } = await import("./model/campplus/open.ts");
    const { openSpeakerFeatures } = await import("./audio/speakerFeatures.ts");
    const convert = await converterTo(weights);
    return open((own) => loadSpeaker(backend, own, openSpeakerFeatures, convert));
  };
  const loaded = new Map<WeightType | undefined, ReturnType<typeof load>>();
  return (exact = false) => {
    const weights = exact ? "f32" : type === "int4" ? "int8" : type;
    const model = loaded.get(weights) ?? load(weights);
    loaded.set(weights, model);
    model.catch(() => loaded.delete(weights)); // the next may find one
    return model;
  };
}

/** The speaker model in a model's folder. @throws SenseVoiceError if there is none */
export async function speakerFolder(source: ModelSource): Promise<ModelSource> {
  if (await source.has("speaker/config.json")) return source.folder("speaker");
  const advice = "run: sensevoice download iic/speech_campplus_sv_zh-cn_16k-common";
  throw new SenseVoiceError(`[engine] speakers: expected a speaker model, found none; ${advice}`);
}

/** A few runs, so that the first that somebody waits for finds JavaScript compiled and the driver's own caches filled. */
async function warmUp(engine: Engine): Promise<void> {
  for (let run = 0; run < 3; run++) await engine.run(new Float32Array(16_000));
}

/** The weights of a model on a device, turned into `type` if it is given. */
async function loadTensors<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  { config, tensors }: ModelFiles,
  type: WeightType | undefined,
  { onProgress, signal }: LoadOptions,
  tune?: (weight: Weight) => Promise<void>,
): Promise<ModelWeights<T, W>> {
  const total = config.files[WEIGHTS_FILE].bytes;
  const onBytes = (done: number) => {
    signal?.throwIfAborted();
    onProgress?.({ task: WEIGHTS_FILE, done, total });
  };
  const convert = await converterTo(type);
  const tuned = async (stored: Weight) => {
    const weight = convert(stored);
    await tune?.(weight);
    return weight;
  };
  const prepared: Promise<void>[] = [];
  const loaded = await loadWeights(backend, config, tensors(onBytes, true), tuned, (layer) => {
    const ready = prepareLayer(backend, config.encoder, layer); // its kernels are compiled while others come
    ready.catch(() => {}); // awaited below, or another error came first
    prepared.push(ready);
  });
  await Promise.all(prepared);
  return loaded;
}

/** The same from the model's copy in int8; undefined where none is kept, or it is damaged: then it is removed. */
async function loadCopy<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  config: ModelConfig,
  options: LoadOptions,
): Promise<ModelWeights<T, W> | undefined> {
  const copy = await options.int8?.open(config, options);
  if (!copy) return undefined;
  try {
    return await loadTensors(backend, await openModel(copy), undefined, options);
  } catch (error) {
    if (!(error instanceof SenseVoiceError) || !error.message.startsWith("[weights]")) throw error;
    debug(2, () => `${error.message}: making it again`);
    await options.int8?.discard();
    return undefined;
  }
}

async function withBackend<R>(
  { device, threads }: { readonly device: Device; readonly threads?: number },
  use: UseBackend<R>,
): Promise<R> {
  if (device === "reference") return use(referenceBackend());
  if (device === "cpu") return use(await createWasmBackend({ threads }));
  const gpu = await openGpu({ hardware: device === "auto" }).catch((error: unknown) => {
    if (device === "webgpu") throw error;
    debug(2, () => `[engine] no GPU: ${error instanceof Error ? error.message : error}`);
  });
  if (gpu) {
    const times = new Map<string, Times>();
    return use(webgpuBackend(gpu, { times }), { gpu, times });
  }
  if (device === "auto") return use(await createWasmBackend({ threads }));
  throw new SenseVoiceError(
    '[webgpu] expected an adapter (a GPU with a Vulkan, Metal or D3D12 driver), got none; use device "cpu"',
  );
}

/** Linear weights as `type`; quantisers are loaded only where they are asked for. */
export async function converterTo(type: WeightType | undefined): Promise<(weight: Weight) => Weight> {
  if (!type) return (weight) => weight;
  if (type === "f32" || type === "f16") {
    return (weight) => {
      const { shape } = weight;
      if (weight.dtype !== "quantized") return castFloats(weight, type);
      return castFloats({ dtype: "f32", shape, data: dequantize(weight) }, type);
    };
  }
  const { quantizeWeight } = await import("./quant/quantize.ts");
  return (weight) => quantizeWeight(weight, type);
}
