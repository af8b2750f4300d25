import { SenseVoiceError } from "../../error.ts";
import type { Backend } from "../../tensor/backend.ts";
import { convolve } from "./convolve.ts";
import { ctcLogProbs, ctcTopK } from "./ctc.ts";
import { WasmDevice, type WasmTensor } from "./device.ts";
import { causalFsmn } from "./fsmn.ts";
import { gate, widen } from "./gate.ts";
import { inParts } from "./inParts.ts";
import { layerNorm } from "./layerNorm.ts";
import { linear, uploadLinear } from "./linear.ts";
import { loadKernels } from "./module.ts";
import { coreCount } from "./platform.ts";
import { context, statistics } from "./pool.ts";
import { relu } from "./relu.ts";
import { sanm } from "./sanm.ts";
import { upload } from "./upload.ts";
import type { WasmWeight } from "./weight.ts";

const MAX_THREADS = 64;
/** Clips for a thread: the weights come into its caches once for all of them. */
const CLIPS_A_THREAD = 8;
/** More take memory, 4 MB each. */
const MOST_CLIPS = 32;

export interface WasmBackend extends Backend<WasmTensor, WasmWeight> {
  /** For kernels beyond the model's operations. */
  readonly device: WasmDevice;
}

/**
 * The model's operations on CPU threads, as WebAssembly with SIMD.
 *
 * @param options.threads 1 to 64; the CPU's cores unless given
 * @throws SenseVoiceError if there is no such number of threads, or no memory
 */
export async function createWasmBackend(options: { readonly threads?: number } = {}): Promise<WasmBackend> {
  const threads = options.threads ?? Math.min(await coreCount(), MAX_THREADS);
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS)) {
    throw new SenseVoiceError(
      `[cpu] threads: expected a whole number from 1 to ${MAX_THREADS}, got ${typeof threads === "number" ? threads : JSON.stringify(threads)}`,
    );
  }
  const kernels = await loadKernels();
  const device = new WasmDevice(kernels, threads);
  return {
    name: "cpu",
    device,
    description: `CPU, WebAssembly ${kernels.instructions}, ${device.threads} thread${device.threads > 1 ? "s" : ""}`,
    upload: upload(device),
    uploadLinear: uploadLinear(device),
    layerNorm: layerNorm(device),
    linear: linear(device),
    sanm: sanm(device),
    causalFsmn: causalFsmn(device),
    convolve: convolve(device),
    relu: relu(device),
    widen: widen(device),
    gate: gate(device),
    context: context(device),
    statistics: statistics(device),
    ctcTopK: ctcTopK(device),
    ctcLogProbs: ctcLogProbs(device),
    scope: (record) => device.scope(record),
    inParts: inParts(device),
    release: (item) => device.release(item),
    read: (tensor) => device.read(tensor),
    clipsTogether: Math.min(CLIPS_A_THREAD * device.threads, MOST_CLIPS),
    partsAhead: 1,
    flush: () => device.flush(),
    prepare: async () => {}, // compiled already
    memory: () => device.bytes,
    close: () => device.close(),
  };
}
