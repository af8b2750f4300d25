/// <reference lib="esnext.disposable" preserve="true" />
import { extractFeatures } from "./audio/features.ts";
import { checkPcm } from "./audio/pcm.ts";
import { SenseVoiceError } from "./error.ts";
import { ReferenceBackend } from "./kernels/reference/backend.ts";
import { createWasmBackend } from "./kernels/wasm/backend.ts";
import { openGpu } from "./kernels/webgpu/adapter.ts";
import { webgpuBackend } from "./kernels/webgpu/backend.ts";
import { ctcForcedAlign, tokenSpans } from "./model/sensevoice/alignment.ts";
import type { ModelConfig } from "./model/sensevoice/config.ts";
import { collapse, HEADER_ROWS } from "./model/sensevoice/ctc.ts";
import { type Encoded, SenseVoice } from "./model/sensevoice/network.ts";
import { type AskedLanguage, LANGUAGE_ROW, type Query } from "./model/sensevoice/prompt.ts";
import { richText } from "./model/sensevoice/richText.ts";
import { readTags, type Tags } from "./model/sensevoice/tags.ts";
import { createTokenizer, type Tokenizer } from "./model/sensevoice/tokenizer.ts";
import { loadWeights, type ModelWeights, WEIGHT_TYPES, type WeightType } from "./model/sensevoice/weights.ts";
import { alignmentTargets, groupWords, type Word } from "./model/sensevoice/words.ts";
import type { Backend } from "./tensor/backend.ts";
import { findModel } from "./weights/home.ts";
import { openModelFolder } from "./weights/modelFolder.ts";

export type Device = "auto" | "webgpu" | "cpu" | "reference";

export interface EngineOptions {
  /** `"tiny"` (the demonstration model that comes with the package), `"small"` once downloaded, or a model folder. */
  readonly model?: string;
  /** `"auto"` (the default) takes a hardware WebGPU adapter if there is one, else the CPU. */
  readonly device?: Device;
  /** Threads of the CPU device; as many as there are cores unless given. */
  readonly threads?: number;
  /** How the linear weights are kept on the device; as the model folder has them unless given. */
  readonly weights?: WeightType;
}

export interface RunOptions {
  /** The language spoken; `"auto"` (the default) lets the model tell. */
  readonly language?: AskedLanguage;
  /** Inverse text normalisation: punctuation, capitals, figures. Default false. */
  readonly itn?: boolean;
  /** Word times; about a tenth slower. Default false. */
  readonly timestamps?: boolean;
  /** Forbids the answer `<|EMO_UNKNOWN|>` (FunASR's ban_emo_unk). Default false. */
  readonly banUnknownEmotion?: boolean;
  /** Ends the run early; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Milliseconds of wall time. */
export interface Timings {
  /** Sound to features. */
  readonly features: number;
  /** Encoder and CTC head. */
  readonly encode: number;
  /** Tokens to text, and word times. */
  readonly decode: number;
  readonly total: number;
}

export interface Transcript extends Tags {
  /** For people: tags taken out or turned into emoji, as FunASR's rich_transcription_postprocess does. */
  readonly text: string;
  /** What the model said, tags and all. */
  readonly raw: string;
  /** Token ids, repeats and blanks collapsed. */
  readonly tokens: readonly number[];
  /** null unless `timestamps` was asked for. */
  readonly words: readonly Word[] | null;
  /** Seconds of sound. */
  readonly duration: number;
  /** Of the whole batch, where there was one. */
  readonly timings: Timings;
}

/** What sound may last: attention grows with the square of it, and the model learned from less than a minute. */
const MAX_SECONDS = 1800;

/**
 * Loads a model onto a device.
 *
 * @throws SenseVoiceError if there is no such model, its files are damaged, or there is no such device
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const { model = "tiny", device = "auto", threads, weights: type } = options;
  checkOption("weights", type, [undefined, ...WEIGHT_TYPES]);
  const folder = await openModelFolder(findModel(model));
  const tokenizer = createTokenizer(folder.tokenizer);
  if (tokenizer.size !== folder.config.vocabSize) {
    throw new SenseVoiceError(
      `[engine] tokenizer: expected ${folder.config.vocabSize} pieces, got ${tokenizer.size}`,
    );
  }
  const backend = await createBackend(device, threads);
  try {
    const weights = await loadWeights(backend, folder.config.encoder, folder.tensors(), type);
    return new Engine(backend, folder.config, tokenizer, weights, type ?? folder.config.weights);
  } catch (error) {
    backend.close();
    throw error;
  }
}

async function createBackend(device: Device, threads: number | undefined): Promise<Backend> {
  checkOption("device", device, ["auto", "webgpu", "cpu", "reference"]);
  if (device === "webgpu" || device === "auto") {
    const gpu = await openGpu({ hardware: device === "auto" });
    if (gpu) return webgpuBackend(gpu);
    if (device === "webgpu") {
      throw new SenseVoiceError(
        '[webgpu] expected an adapter (a GPU with a Vulkan, Metal or D3D12 driver), got none; use device "cpu"',
      );
    }
  }
  return device === "reference" ? new ReferenceBackend() : createWasmBackend({ threads });
}

/** A model on a device. Runs may overlap; they are computed in the order of the calls. Close it when done. */
export class Engine {
  readonly config: ModelConfig;
  /** How the linear weights are kept: `"f16"`, `"int8"`, … */
  readonly weights: string;
  readonly #backend: Backend;
  readonly #model: SenseVoice;
  readonly #tokenizer: Tokenizer;
  readonly #cmvn: ModelWeights["cmvn"];
  #closed = false;

  /** @internal Use createEngine. */
  constructor(
    backend: Backend,
    config: ModelConfig,
    tokenizer: Tokenizer,
    weights: ModelWeights,
    weightType: string,
  ) {
    this.config = config;
    this.weights = weightType;
    this.#backend = backend;
    this.#model = new SenseVoice(backend, config.encoder, weights);
    this.#tokenizer = tokenizer;
    this.#cmvn = weights.cmvn;
  }

  /** What computes: `"webgpu"`, `"wasm"` (the CPU) or `"reference"`. */
  get device(): Backend["name"] {
    return this.#backend.name;
  }

  /** The device for people: an adapter's name, say. */
  get deviceDescription(): string {
    return this.#backend.description;
  }

  /** Bytes of device memory held. */
  get memory(): number {
    return this.#backend.memory();
  }

  /**
   * Transcribes one clip.
   *
   * @param pcm mono samples at 16 kHz in [-1, 1]; `readAudio` makes them of a file
   * @throws SenseVoiceError on samples or options that are not as asked, or if the device fails
   */
  async run(pcm: Float32Array, options: RunOptions = {}): Promise<Transcript> {
    return (await this.runBatch([pcm], options))[0];
  }

  /** Transcribes several clips in one pass: the same answers as one at a time, faster on a GPU. */
  async runBatch(clips: readonly Float32Array[], options: RunOptions = {}): Promise<Transcript[]> {
    const { language = "auto", itn = false, timestamps = false, banUnknownEmotion = false, signal } = options;
    checkOption("language", language, Object.keys(LANGUAGE_ROW));
    for (const pcm of clips) this.#checkClip(pcm);
    this.#checkOpen(signal);
    if (clips.length === 0) return [];

    const start = performance.now();
    const queries: Query[] = [];
    for (const pcm of clips) {
      const features = await extractFeatures(pcm, this.config.frontend, this.#cmvn);
      queries.push({ language, itn, features });
    }
    this.#checkOpen(signal);
    const featuresDone = performance.now();
    const encoded = this.#model.encode(queries);
    try {
      const banned = banUnknownEmotion ? this.#tokenizer.tags.get("EMO_UNKNOWN") : undefined;
      const greedy = await this.#take(this.#backend.ctcGreedy(encoded.x, this.#model.head, banned));
      this.#checkOpen(signal);
      const encodeDone = performance.now();

      const paths = splitRows(greedy, 2, encoded.segments.lengths).map((rows) => {
        const ids = rows.filter((_, i) => i % 2 === 0);
        const tokens = collapse(ids);
        return { ids, tokens, raw: this.#tokenizer.decode(tokens) };
      });
      const words = timestamps ? await this.#align(encoded, paths) : null;
      this.#checkOpen(signal);

      const end = performance.now();
      const timings = {
        features: featuresDone - start,
        encode: encodeDone - featuresDone,
        decode: end - encodeDone,
        total: end - start,
      };
      return paths.map(({ tokens, raw }, i) => ({
        text: richText(raw),
        raw,
        tokens,
        ...readTags(raw),
        words: words?.[i] ?? null,
        duration: clips[i].length / this.config.frontend.sampleRate,
        timings,
      }));
    } finally {
      this.#backend.release(encoded.x);
      this.#backend.release(encoded.segments.offsets);
    }
  }

  /** Words and their times: the transcript's tokens aligned with the rows after the four query rows. */
  async #align(
    { x, segments }: Encoded,
    paths: readonly { ids: Float32Array; raw: string }[],
  ): Promise<Word[][]> {
    const targets = paths.map(({ raw }) => alignmentTargets(this.#tokenizer, raw));
    const columns = 1 + Math.max(...targets.map(({ ids }) => ids.length)); // the blank, then the tokens
    const tokens = new Uint32Array(targets.length * columns);
    targets.forEach(({ ids }, b) => {
      tokens.set(ids, b * columns + 1);
    });
    const shape = [targets.length, columns];
    const uploaded = this.#backend.upload({ dtype: "u32", shape, data: tokens });
    const logProbs = await this.#take(
      this.#backend.ctcLogProbs(x, this.#model.head, uploaded, segments),
    ).finally(() => this.#backend.release(uploaded));

    return splitRows(logProbs, columns, segments.lengths).map((rows, b) => {
      const { pieces, ids } = targets[b];
      const scores = dropColumns(rows.subarray(HEADER_ROWS * columns), columns, ids.length + 1);
      const blankIsBest = Array.from(paths[b].ids.subarray(HEADER_ROWS), (id) => id === 0);
      const path = ctcForcedAlign({ scores, blankIsBest }, ids);
      return groupWords(pieces, tokenSpans(path, { scores, blankIsBest }, ids));
    });
  }

  /** Reads a tensor and gives it back. */
  async #take(tensor: ReturnType<Backend["ctcGreedy"]>): Promise<Float32Array> {
    try {
      return await this.#backend.read(tensor);
    } finally {
      this.#backend.release(tensor);
    }
  }

  #checkClip(pcm: Float32Array): void {
    checkPcm(pcm);
    const seconds = pcm.length / this.config.frontend.sampleRate;
    if (seconds > MAX_SECONDS) {
      throw new SenseVoiceError(
        `[engine] sound: expected at most ${MAX_SECONDS} seconds, got ${Math.round(seconds)}: cut it first`,
      );
    }
  }

  #checkOpen(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closed) throw new SenseVoiceError("[engine] the engine is closed: create a new one");
  }

  /** Gives the device back. Runs under way are rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Views of the rows of each clip. */
function splitRows(data: Float32Array, columns: number, lengths: readonly number[]): Float32Array[] {
  let start = 0;
  return lengths.map((length) => {
    const end = start + length * columns;
    const rows = data.subarray(start, end);
    start = end;
    return rows;
  });
}

/** The first `kept` columns of a matrix. */
function dropColumns(data: Float32Array, columns: number, kept: number): Float32Array {
  return kept === columns ? data : data.filter((_, i) => i % columns < kept);
}

function checkOption(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (allowed.includes(value)) return;
  const list = allowed.filter((option) => option !== undefined).join(", ");
  throw new SenseVoiceError(`[engine] ${name}: expected one of ${list}, got ${JSON.stringify(value)}`);
}
