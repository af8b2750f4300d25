import { SenseVoiceError } from "../../error.ts";
import { startThread, type Thread } from "./platform.ts";

/** What worker.js can be told to do: the module's exports, `upload` of a batch's data, and whose `part` begins. */
export const KERNELS = [
  "upload",
  "part",
  "packRows",
  "quantizeRows",
  "packWeight",
  "packCodes",
  "layCodes",
  "layerNorm",
  "linear",
  "attention",
  "packKeys",
  "attentionInt",
  "fsmn",
  "causalFsmn",
  "layGeometry",
  "convolve",
  "convolveInt8",
  "largest",
  "quantizePlaces",
  "relu",
  "widen",
  "gate",
  "context",
  "statistics",
  "ctc",
  "ctcLogProbs",
  "ctcTopK",
  // Of quantisation: assembly/quant.
  "unpackWeight",
  "gram",
  "mirror",
  "diagonalOf",
  "cholesky",
  "fitScales",
  "scaledExtent",
  "scaledHistogram",
  "roundRows",
  "gptqRows",
  "refineRows",
  "tableSums",
  "renameCodes",
  "outputErrors",
  "divergence",
] as const;
/**
 * Pages that the memory may grow to, tried in turn: what 32-bit addresses reach (4 GiB less a page, so that every size
 * is a 32-bit number), then less, for the browsers of phones give no more addresses.
 */
export const CEILINGS = [65535, 32768, 16384, 8192];
export type KernelName = (typeof KERNELS)[number];

/** Commands that all threads work off together, one after another. */
export interface Batch {
  /** Of each command: its index in KERNELS, how many arguments, the arguments. */
  readonly commands: Uint32Array;
  readonly uploads: readonly Uint8Array<ArrayBuffer>[];
  /** f32 numbers to answer with once all is done. */
  readonly result: { readonly pointer: number; readonly count: number };
  /** Memory that the commands use. */
  readonly bytes: number;
}

export interface ThreadPoolOptions {
  readonly module: WebAssembly.Module;
  /** Shared by the threads; without it the only thread makes one of its own. */
  readonly memory: WebAssembly.Memory | undefined;
  readonly threads: number;
}

interface Pending {
  readonly resolve: (numbers: Float32Array) => void;
  readonly reject: (error: SenseVoiceError) => void;
}

/**
 * Worker threads that take batches in the order in which they come. If one of them dies, all are stopped, what they
 * had not finished is rejected, and the next batch starts new ones: the memory is still there.
 */
export class ThreadPool {
  readonly #options: ThreadPoolOptions;
  readonly #pending: Pending[] = [];
  #threads: Promise<Thread[]> | undefined;
  /** Counts the sets of threads there have been, so that news of an old one is told from news of this one. */
  #generation = 0;
  #stopped: Promise<unknown> = Promise.resolve();
  /** Set once no batch can be run any more. */
  #end: SenseVoiceError | undefined;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
  }

  async run(batch: Batch): Promise<Float32Array> {
    if (this.#end) throw this.#end;
    return new Promise((resolve, reject) => {
      const pending = { resolve, reject };
      this.#pending.push(pending);
      this.#threads ??= this.#start();
      const generation = this.#generation;
      this.#threads.then(
        (threads) => {
          if (generation === this.#generation) post(threads, batch);
        },
        (error) => this.#fail(generation, String(error)),
      );
    });
  }

  close(error: SenseVoiceError): void {
    this.#end ??= error;
    this.#stop(error);
  }

  async #start(): Promise<Thread[]> {
    const generation = this.#generation;
    await this.#stopped; // a thread that still runs could write into memory that is used anew
    const { module, memory, threads: count } = this.#options;
    if (memory) new Uint32Array(memory.buffer, 0, 1024).fill(0); // see assembly/threads.ts
    const onFailure = (reason: string) => this.#fail(generation, reason);
    const onMessage = (numbers: unknown) => {
      if (generation !== this.#generation) return; // an answer to what was rejected already
      this.#pending.shift()?.resolve(numbers as Float32Array);
      if (this.#pending.length === 0) threads[0].keepAlive(false);
    };
    const threads = await Promise.all(Array.from({ length: count }, () => startThread({ onMessage, onFailure })));
    threads.forEach((thread, i) => {
      thread.post({ module, memory, thread: i, threads: count, kernelNames: KERNELS, ceilings: CEILINGS });
    });
    return threads;
  }

  #fail(generation: number, reason: string): void {
    if (generation !== this.#generation) return; // these threads are being stopped already
    const outcome = this.#options.memory
      ? "what was under way is lost, the next run starts new ones"
      : "the model is lost, create a new engine";
    const error = new SenseVoiceError(`[cpu] a worker thread died (${reason}): ${outcome}`);
    if (!this.#options.memory) this.#end = error;
    this.#stop(error);
  }

  #stop(error: SenseVoiceError): void {
    const threads = this.#threads;
    this.#generation++;
    this.#threads = undefined;
    this.#stopped = (async () => {
      for (const thread of (await threads?.catch(() => [])) ?? []) await thread.stop();
    })();
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }
}

function post(threads: readonly Thread[], batch: Batch): void {
  threads[0].keepAlive(true);
  threads[0].post(
    batch,
    batch.uploads.map(({ buffer }) => buffer),
  );
  for (const thread of threads.slice(1)) thread.post({ ...batch, uploads: [] });
}
