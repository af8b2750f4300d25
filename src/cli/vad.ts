import { createWasmBackend } from "../kernels/wasm/backend.ts";
import { loadVad } from "../model/fsmnVad/open.ts";
import { createEngine, SenseVoiceError, type Span, type Vad, type VoiceSettings } from "../node.ts";
import { shortClock } from "../output/clock.ts";
import { singleLine } from "../output/format.ts";
import { checkVoice, createActivity } from "../speech/activity.ts";
import { detectSpeech } from "../speech/detect.ts";
import { folderSource } from "../weights/folderSource.ts";
import { defaultModel, findModel, findVad, VAD_ID } from "../weights/home.ts";
import { findInputs } from "./inputs.ts";
import { printError, printNote } from "./messages.ts";
import { openInput } from "./readInput.ts";

/** As the command line gives them. */
export interface VadArguments extends VoiceSettings {
  readonly vad?: Vad;
  readonly vadModel?: string;
  readonly model?: string;
  readonly threads?: number;
  readonly maxSegmentSeconds?: number;
  readonly format: "text" | "json";
}

interface Detector {
  detect(sound: AsyncGenerator<Float32Array>): AsyncGenerator<Span>;
  close(): unknown;
}

/**
 * Prints where somebody speaks in each sound. One that fails is reported and makes the exit status 1; the others are
 * still done. Throws a SenseVoiceError if there is no model to tell it by.
 */
export async function detectVoice(args: readonly string[], options: VadArguments): Promise<void> {
  const fail = (error: unknown, subject: string) => {
    printError(error, subject);
    process.exitCode = 1;
  };
  const inputs = await findInputs(args, fail);
  if (inputs.length === 0) return;
  const { detect, close } = await openDetector(options);
  try {
    for (const { file } of inputs) {
      const named = inputs.length > 1 ? `${singleLine(file)}: ` : "";
      try {
        const segments: Span[] = [];
        for await (const [start, end] of detect(openInput(file))) {
          segments.push([start, end]);
          if (options.format === "json") continue;
          process.stdout.write(`${named}${shortClock(start / 1000)} --> ${shortClock(end / 1000)}\n`);
        }
        if (options.format === "json") process.stdout.write(`${JSON.stringify({ file, segments })}\n`);
      } catch (error) {
        fail(error, file);
      }
    }
  } finally {
    await close();
  }
}

/** Loads no more than it takes. */
async function openDetector(options: VadArguments): Promise<Detector> {
  const { vadModel, model = defaultModel(), threads, maxSegmentSeconds = 60 } = options;
  const { endSilenceMs, speechThreshold, padMs } = options;
  checkVoice(options);
  const modelDir = findModel(model);
  const dir = vadModel ?? findVad(modelDir);
  const vad = options.vad ?? (dir === undefined ? "model" : "fsmn");
  const advice = `sensevoice download ${VAD_ID}`;
  if (vadModel !== undefined && vad !== "fsmn") {
    throw new SenseVoiceError(`--vad-model: expected --vad fsmn with it, got --vad ${vad}`);
  }
  if (vad === "fsmn" && dir === undefined) {
    throw new SenseVoiceError(`[vad] fsmn: expected a voice activity model, found none; run: ${advice}`);
  }
  if (options.vad === undefined && vad === "model") printNote(`going by the recogniser; for FSMN-VAD: ${advice}`);
  if (vad === "model") {
    const engine = await createEngine({ model, device: "cpu", threads });
    const detect: Detector["detect"] = (sound) =>
      engine.detectSpeech(sound, { vad, maxSegmentSeconds, endSilenceMs, padMs });
    return { detect, close: () => engine.close() };
  }
  const settings = { maxSegmentMs: Math.round(maxSegmentSeconds * 1000), endSilenceMs, speechThreshold, padMs };
  if (vad !== "fsmn" || dir === undefined) {
    return { detect: (sound) => detectSpeech(sound, createActivity(vad, settings)), close: () => {} };
  }
  const backend = await createWasmBackend({ threads });
  try {
    const loaded = await loadVad(backend, folderSource(dir));
    const detect: Detector["detect"] = (sound) =>
      detectSpeech(sound, createActivity(vad, { ...settings, model: loaded }));
    return { detect, close: backend.close };
  } catch (error) {
    backend.close();
    throw error;
  }
}
