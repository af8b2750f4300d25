import { SenseVoiceError } from "../error.ts";
import { evaluateSpeakers, formatSpeakerReport } from "../eval/diarizationReport.ts";
import type { ReportFormat } from "../eval/report.ts";
import { parseRttm, parseUem, type SpeakerTurn } from "../eval/rttm.ts";
import { readText, textsRead } from "../eval/text.ts";
import type { EngineOptions } from "../node.ts";
import { recordingOf } from "../output/rttm.ts";
import type { SpeakerMode } from "../speech/speakerOptions.ts";
import { defaultModel, findModel } from "../weights/home.ts";
import { findInputs } from "./inputs.ts";
import { printError } from "./messages.ts";
import { expectApart, modelPaths, writeOutput } from "./output.ts";
import { forEachSound } from "./progress.ts";
import { openInput } from "./readInput.ts";
import { openEngine } from "./transcribe.ts";

/** As the command line gives them. */
export interface EvalSpeakersOptions extends EngineOptions {
  readonly rttm?: string;
  readonly hypothesis?: string;
  readonly uem?: string;
  readonly collar?: number;
  readonly speakerCount?: number;
  readonly speakerMode?: SpeakerMode;
  readonly format: ReportFormat;
  readonly output?: string;
}

/** Who speaks when by recording, and whose answer that is. */
interface Hypothesis {
  readonly name: string;
  readonly turns: ReadonlyMap<string, readonly SpeakerTurn[]>;
  /** The recordings of the reference that were heard; without it all count. */
  readonly only?: ReadonlySet<string>;
}

/**
 * Compares who speaks when with what was expected and prints the report: as a file has it, or as it is heard in sounds. A
 * sound that fails is reported and makes the exit status 1; the others are still done. Throws a SenseVoiceError if a file
 * cannot be read, or if there is nothing to compare.
 */
export async function evalSpeakers(sounds: readonly string[], options: EvalSpeakersOptions): Promise<void> {
  const { rttm = "", hypothesis, uem, collar, format, output } = options;
  if (hypothesis === undefined && sounds.length === 0) {
    throw new SenseVoiceError("--rttm: expected sounds, or --hypothesis FILE.rttm, to be compared with it; got none");
  }
  if (hypothesis !== undefined && sounds.length > 0) {
    throw new SenseVoiceError(`--hypothesis: expected it or sounds, got both (${sounds[0]})`);
  }
  const reference = parseRttm(await readText(rttm), rttm);
  const regions = uem === undefined ? undefined : parseUem(await readText(uem), uem);
  const heard: Hypothesis =
    hypothesis === undefined
      ? await hearSounds(sounds, new Set(reference.keys()), options)
      : { name: hypothesis, turns: parseRttm(await readText(hypothesis), hypothesis) };
  if (heard.only?.size === 0) return; // why was told of each
  const report = evaluateSpeakers(
    { reference: rttm, hypothesis: heard.name, uem: uem ?? null },
    {
      ...{ reference, regions, hypothesis: heard.turns, only: heard.only },
      collars: collar === undefined ? undefined : [collar],
    },
  );
  const text = formatSpeakerReport(report, format);
  if (output === undefined) return void process.stdout.write(text);
  expectApart(textsRead, [["--output", output]]);
  await writeOutput(output, text);
}

/** Who speaks when in sounds, by what RTTM calls them. Those that the reference lacks are not heard. */
async function hearSounds(
  args: readonly string[],
  expected: ReadonlySet<string>,
  options: EvalSpeakersOptions,
): Promise<Hypothesis> {
  const { model = defaultModel(), speakerCount, speakerMode, output } = options;
  const fail = (error: unknown, file: string) => {
    printError(error, file);
    process.exitCode = 1;
  };
  const files = new Map<string, string>();
  for (const { file } of await findInputs(args, fail)) {
    const recording = recordingOf(file);
    const other = files.get(recording);
    if (other !== undefined) throw new SenseVoiceError(`${file}: expected one sound of ${recording}, got ${other} too`);
    files.set(recording, file);
  }
  if (output !== undefined) {
    expectApart([...files.values(), ...textsRead, ...modelPaths(findModel(model))], [["--output", output]]);
    await writeOutput(output);
  }
  const turns = new Map<string, readonly SpeakerTurn[]>();
  const asked = [...files].filter(([name]) => expected.has(name));
  if (asked.length === 0)
    throw new SenseVoiceError(`--rttm: expected recordings of ${args[0]}, got ${[...expected][0]}`);
  const engine = await openEngine(options);
  const name = `${engine.config.name}, ${engine.weights}, on ${engine.device}`;
  const work = async (file: string, i: number, onProgress: (seconds: number) => void) => {
    const sound = openInput(file);
    try {
      const segments = engine.transcribe(sound, { speakers: speakerCount ?? true, speakerMode, onProgress });
      let step = await segments.next();
      while (!step.done) step = await segments.next();
      turns.set(asked[i][0], step.value ?? []);
    } finally {
      sound.return(undefined).catch(() => {}); // not waited for: it may hang
    }
  };
  await forEachSound(
    asked.map(([, file]) => file),
    true,
    work,
    fail,
  ).finally(() => engine.close());
  const only = new Set(turns.keys());
  for (const name of files.keys()) if (!expected.has(name)) turns.set(name, []); // to be named as left out
  return { name, turns, only };
}
