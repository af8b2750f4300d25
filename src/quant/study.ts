import { extractFeatures } from "../audio/features.ts";
import { createWasmBackend } from "../kernels/wasm/backend.ts";
import { QuantKernels } from "../kernels/wasm/quantKernels.ts";
import type { ModelFiles } from "../model/sensevoice/modelFiles.ts";
import { SenseVoice } from "../model/sensevoice/network.ts";
import type { Prompt } from "../model/sensevoice/prompt.ts";
import { loadWeights } from "../model/sensevoice/weights.ts";
import type { Weight } from "../tensor/quantized.ts";
import { DeviceLayer } from "./deviceLayer.ts";
import type { SharedGrid } from "./fitGrid.ts";
import type { CpuModel } from "./hear.ts";
import { type Policy, schemeOf } from "./policy.ts";
import { type QuantizeNamed, quantizeSequentially } from "./sequential.ts";

/** Sound to calibrate with: samples at 16 kHz, and whether punctuation is asked for. */
export interface CalibrationClip {
  readonly pcm: Float32Array;
  readonly itn: boolean;
}

/** The model on the CPU's threads, and what it is to hear. */
export interface Study extends CpuModel {
  readonly kernels: QuantKernels;
  readonly clips: readonly Prompt[];
}

export async function openStudy(folder: ModelFiles, clips: readonly CalibrationClip[]): Promise<Study> {
  const { encoder } = folder.config;
  const backend = await createWasmBackend();
  try {
    const weights = await loadWeights(backend, folder.config, folder.tensors());
    const model = new SenseVoice(backend, encoder, weights);
    const prompts = await promptsOf(folder, model, clips);
    return { backend, model, kernels: new QuantKernels(backend.device), clips: prompts };
  } catch (error) {
    backend.close();
    throw error;
  }
}

export async function promptsOf(
  { config: { frontend } }: ModelFiles,
  { weights }: Study["model"],
  clips: readonly CalibrationClip[],
): Promise<Prompt[]> {
  const prompts: Prompt[] = [];
  for (const { pcm, itn } of clips) {
    prompts.push({ language: "auto", itn, features: await extractFeatures(pcm, frontend, weights.cmvn) });
  }
  return prompts;
}

/** quantizeSequentially with the kernels. */
export async function* inSequence(
  { kernels, model, clips }: Study,
  policy: Policy,
  shared: ReadonlyMap<string, SharedGrid>,
): AsyncGenerator<[name: string, tensor: Weight]> {
  const quantize: QuantizeNamed = async (name, weight, { hessian, k, ...sizes }) => {
    const scheme = schemeOf(policy, name);
    const square = kernels.uploadSquare(hessian, k);
    const onDevice = kernels.device.upload([weight.length / k, k], "f32", weight);
    const layer = new DeviceLayer(kernels, name, onDevice, { hessian: square, sizes });
    try {
      return await layer.quantize(scheme, shared.get(JSON.stringify(scheme)));
    } finally {
      await layer.release();
      kernels.release(square);
    }
  };
  yield* quantizeSequentially(model, clips, quantize);
}
