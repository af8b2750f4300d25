import { fileURLToPath } from "node:url";
import { randomTensor, randomVadConfig, randomVadTensors } from "../../scripts/random-weights.ts";
import { readAudio } from "../../src/audio/read.ts";
import { DETECTOR } from "../../src/convert/vadFolder.ts";
import { DEFAULT_DETECTOR, type DetectorOptions } from "../../src/model/fsmnVad/config.ts";
import { FsmnVad, type VadModel } from "../../src/model/fsmnVad/network.ts";
import { STREAMING_SCHEDULE } from "../../src/model/fsmnVad/schedule.ts";
import { loadVadWeights } from "../../src/model/fsmnVad/weights.ts";
import { FsmnActivity, type FsmnActivityOptions } from "../../src/speech/fsmnActivity.ts";
import type { SpeechEvent, VoiceActivity } from "../../src/speech/voiceActivity.ts";
import type { Backend, LinearWeight, Tensor } from "../../src/tensor/backend.ts";
import { readGoldenJson } from "./golden.ts";

/** Events with what was fed before the chunk that told them, in milliseconds. */
export type Told = readonly (readonly [fedMs: number, events: readonly SpeechEvent[]])[];

/** What FunASR said, by its own names of options: test/golden/README.md. */
export interface VadCase {
  readonly name: string;
  readonly sound: string;
  readonly model: Readonly<Record<string, unknown>>;
  readonly generate: {
    readonly max_end_silence_time?: number;
    readonly dynamic_silence?: boolean;
    readonly silence_schedule?: string;
  };
  readonly segments: readonly SpeechEvent[];
  readonly chunkMs: number;
  readonly events: Told;
}

interface Recipe {
  readonly parts: readonly { file: string; gain: number; gap: number }[];
  readonly noise: number;
  readonly samples?: number;
}

export const golden = readGoldenJson<{
  seed: number;
  model: Record<string, unknown>;
  sounds: Record<string, Recipe>;
  cases: VadCase[];
}>("vad.json");

/** A sound of the golden, as scripts/golden_vad.py makes it. */
export async function goldenSound(name: string): Promise<Float32Array> {
  const { parts, noise, samples } = golden.sounds[name];
  const pieces = await Promise.all(
    parts.map(async ({ file, gain, gap }) => {
      const pcm = await readAudio(fileURLToPath(new URL(`../../samples/${file}.wav`, import.meta.url)));
      const piece = new Float32Array(Math.round(gap * 16000) + pcm.length);
      piece.set(
        pcm.map((x) => x * gain),
        piece.length - pcm.length,
      );
      return piece;
    }),
  );
  const out = new Float32Array(samples ?? pieces.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const piece of pieces) {
    out.set(piece.subarray(0, Math.max(0, out.length - end)), Math.min(end, out.length));
    end += piece.length;
  }
  const hiss = randomTensor("noise", [out.length], { scale: noise }).data;
  return out.map((x, i) => x + hiss[i]);
}

/** FunASR's options under our names. */
function detectorOf(model: Readonly<Record<string, unknown>>): DetectorOptions {
  const given = Object.entries(DETECTOR).flatMap(([key, name]) => {
    if (!(name in model)) return [];
    const value = model[name];
    return [[key, key === "singleUtterance" ? value === 0 : key === "extend" ? value === 1 : value]];
  });
  return { ...DEFAULT_DETECTOR, ...Object.fromEntries(given) };
}

/** The golden's random weights with a case's options. */
export async function goldenVad<T extends Tensor, W extends LinearWeight<T>>(
  backend: Backend<T, W>,
  { model }: Pick<VadCase, "model"> = { model: {} },
): Promise<VadModel> {
  const config = randomVadConfig(detectorOf({ ...golden.model, ...model }));
  const { encoder, detector } = config;
  const tensors = randomVadTensors(encoder, golden.seed);
  return new FsmnVad(backend, config, await loadVadWeights(backend, encoder, detector.silenceClasses, tensors));
}

/** What `generate` was told. */
export function activityOptions({ generate, model }: VadCase): FsmnActivityOptions {
  if (generate.silence_schedule === "STREAMING_SILENCE_SCHEDULE") return { endSilence: STREAMING_SCHEDULE };
  if (generate.dynamic_silence === false) return { endSilence: Number(model.max_end_silence_time) };
  return { endSilence: generate.max_end_silence_time };
}

/** All that is told of a sound. */
export async function eventsOf(activity: VoiceActivity, pieces: Iterable<Float32Array>): Promise<SpeechEvent[]> {
  const events: SpeechEvent[] = [];
  for (const piece of pieces) events.push(...(await activity.push(piece)));
  return [...events, ...(await activity.finish())];
}

/** As FunASR was fed: whole chunks, the last one with the end of the recording. */
export async function toldOf(vad: VadModel, pcm: Float32Array, chunkMs: number, options: FsmnActivityOptions) {
  const activity = new FsmnActivity(vad, { ...options, chunkMs });
  const told: [number, SpeechEvent[]][] = [];
  const step = chunkMs * 16;
  for (let at = 0; at === 0 || at < pcm.length; at += step) {
    const events = await activity.push(pcm.subarray(at, at + step));
    if (at + step >= pcm.length) events.push(...(await activity.finish()));
    if (events.length) told.push([at / 16, events]);
  }
  return told;
}

/** Cuts a sound into pieces of these lengths, taken in turn. */
export function* cut(pcm: Float32Array, lengths: readonly number[]): Generator<Float32Array> {
  for (let at = 0, i = 0; at < pcm.length; i++) {
    const length = lengths[i % lengths.length];
    yield pcm.subarray(at, at + length);
    at += length;
  }
}
