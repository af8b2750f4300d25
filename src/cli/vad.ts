import { extractFeatures } from "../audio/features.ts";
import { SAMPLE_RATE } from "../audio/pcm.ts";
import { SenseVoiceError } from "../error.ts";
import { createWasmBackend } from "../kernels/wasm/backend.ts";
import { loadVad } from "../model/fsmnVad/open.ts";
import { openModel } from "../model/sensevoice/modelFiles.ts";
import { SenseVoice } from "../model/sensevoice/network.ts";
import { PROMPT_ROWS } from "../model/sensevoice/prompt.ts";
import { loadWeights } from "../model/sensevoice/weights.ts";
import { EnergyActivity } from "../speech/energyActivity.ts";
import { FsmnActivity } from "../speech/fsmnActivity.ts";
import { type BestTokens, ModelActivity } from "../speech/modelActivity.ts";
import type { SpeechEvent, VoiceActivity } from "../speech/voiceActivity.ts";
import { folderSource } from "../weights/folderSource.ts";
import { defaultModel, findModel, findVad, VAD_ID } from "../weights/home.ts";
import { clock } from "./format.ts";
import { printError, printNote } from "./messages.ts";
import { readInput } from "./readInput.ts";

/** As the command line gives them. */
export interface VadOptions {
  readonly vad?: "fsmn" | "model" | "energy";
  readonly vadModel?: string;
  readonly model?: string;
  readonly threads?: number;
  readonly format: "text" | "json";
}

/** What is needed for any number of recordings. */
interface Vad {
  readonly open: () => VoiceActivity;
  readonly close: () => void;
}

/**
 * Prints where somebody speaks in each file. A file that fails is reported and makes the exit status 1; the others are
 * still done. Throws a SenseVoiceError if there is no model to tell it by.
 */
export async function detectVoice(files: readonly string[], options: VadOptions): Promise<void> {
  const vad = await openVad(options);
  try {
    for (const file of files) {
      try {
        const segments = await segmentsOf(await readInput(file), vad.open());
        process.stdout.write(
          options.format === "json"
            ? `${JSON.stringify({ file, segments })}\n`
            : segments.map((segment) => textLine(segment, files.length > 1 ? file : undefined)).join(""),
        );
      } catch (error) {
        printError(error, file);
        process.exitCode = 1;
      }
    }
  } finally {
    vad.close();
  }
}

async function segmentsOf(pcm: Float32Array, activity: VoiceActivity): Promise<SpeechEvent[]> {
  try {
    const events = [...(await activity.push(pcm)), ...(await activity.finish())];
    const segments: SpeechEvent[] = [];
    for (const [start, end] of events) {
      if (start >= 0) segments.push([start, end]);
      else segments.push([segments.pop()?.[0] ?? 0, end]);
    }
    const all = Math.floor((pcm.length * 1000) / SAMPLE_RATE);
    return segments.map(([start, end]) => [start, end < 0 ? all : end]);
  } finally {
    activity.close();
  }
}

/** `START --> END`, the file in front if one is given. */
function textLine([start, end]: SpeechEvent, file?: string): string {
  const span = `${clock(start / 1000)} --> ${clock(end / 1000)}`;
  return `${file === undefined ? "" : `${file}: `}${span}\n`;
}

async function openVad({ vad, vadModel, model = defaultModel(), threads }: VadOptions): Promise<Vad> {
  const modelDir = findModel(model);
  const dir = vadModel ?? findVad(modelDir);
  const how = vad ?? (dir === undefined ? "model" : "fsmn");
  if (vadModel !== undefined && how !== "fsmn") {
    throw new SenseVoiceError(`--vad-model: expected --vad fsmn with it, got --vad ${how}`);
  }
  if (how === "energy") return { open: () => new EnergyActivity(), close: () => {} };
  const advice = `sensevoice download ${VAD_ID}`;
  if (how === "fsmn" && dir === undefined) {
    throw new SenseVoiceError(`[vad] fsmn: expected a voice activity model, found none; run: ${advice}`);
  }
  if (vad === undefined && how === "model") printNote(`going by the recogniser; for FSMN-VAD: ${advice}`);
  const backend = await createWasmBackend({ threads });
  try {
    if (how === "fsmn" && dir !== undefined) {
      const loaded = await loadVad(backend, folderSource(dir));
      return { open: () => new FsmnActivity(loaded), close: backend.close };
    }
    const bestTokens = await loadRecognizer(backend, modelDir);
    return { open: () => new ModelActivity(bestTokens), close: backend.close };
  } catch (error) {
    backend.close();
    throw error;
  }
}

async function loadRecognizer(
  backend: Awaited<ReturnType<typeof createWasmBackend>>,
  dir: string,
): Promise<BestTokens> {
  const { config, tensors } = await openModel(folderSource(dir));
  const weights = await loadWeights(backend, config, tensors());
  const model = new SenseVoice(backend, config.encoder, weights);
  return async (pcm) => {
    const features = await extractFeatures(pcm, config.frontend, weights.cmvn);
    const { ids, release } = await model.recognize([{ language: "auto", itn: false, features }]);
    release();
    return ids[0].subarray(PROMPT_ROWS);
  };
}
