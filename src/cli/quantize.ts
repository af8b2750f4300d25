import { writeFile } from "node:fs/promises";
import { readAudio } from "../audio/read.ts";
import { SenseVoiceError } from "../error.ts";
import { readDataset } from "../eval/dataset.ts";
import { readText } from "../eval/text.ts";
import { openModel } from "../model/sensevoice/modelFiles.ts";
import { linearParameters } from "../model/sensevoice/parameters.ts";
import { type Policy, parsePolicy } from "../quant/policy.ts";
import { type CalibrationClip, quantizeFolder } from "../quant/quantizeFolder.ts";
import { type PresetName, parseScheme } from "../quant/scheme.ts";
import { elementCount } from "../tensor/host.ts";
import { folderSource } from "../weights/folderSource.ts";
import { findModel } from "../weights/home.ts";
import { withBar } from "./progress.ts";

/** As the command line gives them. */
export interface QuantizeOptions {
  readonly out: string;
  readonly scheme?: PresetName | "mixed";
  readonly policy?: string;
  readonly budget?: string;
  readonly calibrate?: string;
  readonly limit?: number;
  readonly savePolicy?: string;
}

/** Quantises a model folder and prints the path of the new one. */
export async function quantize(model: string, options: QuantizeOptions): Promise<void> {
  const source = findModel(model);
  const { out, calibrate, limit, savePolicy } = options;
  const policy = await policyOf(source, options);
  const clips = calibrate === undefined ? [] : await readClips(calibrate, limit);
  const used = await withBar((onProgress) => quantizeFolder(source, out, { policy, clips, onProgress }));
  if (savePolicy !== undefined) await writeFile(savePolicy, `${JSON.stringify(used, null, 2)}\n`);
  console.log(out);
}

async function policyOf(source: string, { scheme = "int8", policy, budget }: QuantizeOptions) {
  if (policy !== undefined) return parsePolicy(parseJson(await readText(policy), policy));
  if (scheme !== "mixed") {
    if (budget !== undefined)
      throw new SenseVoiceError(`--budget: expected with --scheme mixed, got ${scheme}`);
    return { name: scheme, scheme: parseScheme(scheme), layers: {} } satisfies Policy;
  }
  if (budget === undefined) throw new SenseVoiceError("--scheme mixed: expected a --budget, got none");
  return { name: `mixed-${budget}`, bitsPerWeight: await parseBudget(budget, source) };
}

/** `4.5` is bits a weight, `120MB` what all linear weights may take. */
async function parseBudget(text: string, source: string): Promise<number> {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(MB)?$/i.exec(text) ?? [];
  if (number === undefined) {
    throw new SenseVoiceError(
      `--budget: expected bits a weight such as 4.5, or a size such as 120MB, got ${text}`,
    );
  }
  if (!unit) return Number(number);
  const { config } = await openModel(folderSource(source));
  const linears = linearParameters(config);
  return (Number(number) * 8e6) / linears.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

async function readClips(dataset: string, limit: number | undefined): Promise<CalibrationClip[]> {
  const clips: CalibrationClip[] = [];
  for (const { source, itn } of (await readDataset(dataset)).slice(0, limit)) {
    clips.push({ pcm: await readAudio(source), itn });
  }
  return clips;
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SenseVoiceError(`${file}: expected JSON, got something else (${(error as Error).message})`);
  }
}
