import { dirname } from "node:path";
import { readAudio } from "../audio/read.ts";
import { SenseVoiceError } from "../error.ts";
import { readDataset } from "../eval/dataset.ts";
import { textsRead } from "../eval/text.ts";
import { openModel } from "../model/sensevoice/modelFiles.ts";
import { linearParameters } from "../model/sensevoice/parameters.ts";
import { leastBits } from "../quant/mixed.ts";
import { type Policy, parsePolicy } from "../quant/policy.ts";
import { quantizeFolder } from "../quant/quantizeFolder.ts";
import { type PresetName, parseScheme } from "../quant/scheme.ts";
import type { CalibrationClip } from "../quant/study.ts";
import { elementCount } from "../tensor/host.ts";
import { readJsonFile } from "../weights/file.ts";
import { folderSource } from "../weights/folderSource.ts";
import { findModel } from "../weights/home.ts";
import { identify } from "../weights/place.ts";
import { expectReplaceable } from "../weights/replaceFolder.ts";
import { expectApart, modelPaths, writeOutput } from "./output.ts";
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
  readonly resume?: boolean;
  readonly sequential?: boolean;
}

/** Quantises a model folder and prints the path of the new one. */
export async function quantize(model: string, options: QuantizeOptions): Promise<void> {
  const source = findModel(model);
  const { out, calibrate, limit, savePolicy, resume, sequential } = options;
  const sounds = calibrate === undefined ? [] : await readDataset(calibrate);
  const results = modelPaths(out).map((path): [string, string] => ["--out", path]);
  if (savePolicy !== undefined) results.push(["--save-policy", savePolicy]);
  const files = sounds.map((clip) => clip.source).concat(options.policy ?? [], ...textsRead);
  expectApart([...modelPaths(source), ...files], results);
  await expectReplaceable(out);
  const own = savePolicy !== undefined && identify(dirname(savePolicy)) === identify(out);
  if (savePolicy !== undefined && !own) await writeOutput(savePolicy);

  const policy = await policyOf(source, options);
  const clips: CalibrationClip[] = [];
  for (const { source, itn } of sounds.slice(0, limit)) clips.push({ pcm: await readAudio(source), itn });
  const asked = { policy, clips, resume, sequential };
  const used = await withBar((onProgress) => quantizeFolder(source, out, { ...asked, onProgress }));
  console.log(out);
  if (savePolicy !== undefined) await writeOutput(savePolicy, `${JSON.stringify(used, null, 2)}\n`);
}

async function policyOf(source: string, { scheme = "int8", policy, budget }: QuantizeOptions) {
  if (policy !== undefined) {
    const json = await readJsonFile(policy);
    if (json !== undefined) return parsePolicy(json);
    throw new SenseVoiceError(`--policy: there is no file ${policy}`);
  }
  if (scheme !== "mixed") {
    if (budget !== undefined) throw new SenseVoiceError(`--budget: expected with --scheme mixed, got ${scheme}`);
    return { name: scheme, scheme: parseScheme(scheme), layers: {} } satisfies Policy;
  }
  if (budget === undefined) throw new SenseVoiceError("--scheme mixed: expected a --budget, got none");
  return { name: `mixed-${budget}`, bitsPerWeight: await parseBudget(budget, source) };
}

/** `4.5` is bits a weight, `120MB` what all linear weights may take. */
async function parseBudget(text: string, source: string): Promise<number> {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*(MB)?$/i.exec(text) ?? [];
  if (number === undefined) {
    throw new SenseVoiceError(`--budget: expected bits a weight such as 4.5, or a size such as 120MB, got ${text}`);
  }
  const shapes = linearParameters((await openModel(folderSource(source))).config).map(({ shape }) => shape);
  const weights = shapes.reduce((sum, shape) => sum + elementCount(shape), 0);
  const unitBits = unit ? 8e6 : weights;
  const least = shapes.reduce((sum, shape) => sum + leastBits(shape), 0) / unitBits;
  if (Number(number) < least) {
    const shown = `${Math.ceil(least * 1000) / 1000}${unit ?? " bits a weight"}`;
    throw new SenseVoiceError(`--budget: expected at least ${shown}, got ${text}`);
  }
  return (Number(number) * unitBits) / weights;
}
