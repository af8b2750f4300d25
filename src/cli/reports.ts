import { reasonOf } from "../error.ts";
import type { Engine, EngineOptions, Segment } from "../node.ts";
import type { Failed, Heard } from "../output/heard.ts";
import { defaultModel, findModel } from "../weights/home.ts";
import { type HearOptions, hearInput } from "./hear.ts";
import { findInputs } from "./inputs.ts";
import { printError } from "./messages.ts";
import { expectApart, modelPaths, writeOutput } from "./output.ts";
import { speakerOptions } from "./people.ts";
import { forEachSound } from "./progress.ts";
import { STDIN } from "./readInput.ts";
import { openEngine } from "./transcribe.ts";

/** What commands that report on recordings are told. */
export interface ReportOptions extends EngineOptions, HearOptions {
  readonly output?: string;
}

/** What is said in a sound. Silences are told by segments that are not joined. */
async function hear(
  engine: Engine,
  file: string,
  options: ReportOptions,
  onProgress: (seconds: number) => void,
): Promise<Heard> {
  const segments: Segment[] = [];
  const heard = hearInput(engine, file, { ...options, timestamps: true }, onProgress, 0);
  for (;;) {
    const { value, done } = await heard.next();
    if (done) return { file, duration: value.duration, segments };
    segments.push(value);
  }
}

/**
 * Hears one file after another and writes a report on them. A file that fails is reported and makes the exit status 1;
 * the others are still done. Throws a SenseVoiceError if there is no engine or no place for the output.
 *
 * @param read other files that are read: the output may not go over them
 * @param report makes the output of what `take` returned for each recording
 */
export async function reportOn<T>(
  args: readonly string[],
  options: ReportOptions,
  read: readonly string[],
  take: (heard: Heard) => T,
  report: (taken: readonly T[], failed: readonly Failed[]) => string,
): Promise<void> {
  const { model = defaultModel(), output } = options;
  await speakerOptions(options); // an error of its own, before anything is loaded
  const [taken, failed]: [T[], Failed[]] = [[], []];
  const fail = (error: unknown, file: string) => {
    printError(error, file);
    const reason = reasonOf(error);
    failed.push({ file, error: reason.startsWith(`${file}: `) ? reason.slice(file.length + 2) : reason });
    process.exitCode = 1;
  };
  const files = (await findInputs(args, fail)).map(({ file }) => file);
  if (output !== undefined) {
    const sounds = files.filter((file) => file !== STDIN);
    expectApart([...sounds, ...read, ...modelPaths(findModel(model))], [["--output", output]]);
    await writeOutput(output);
  }
  const engine = await openEngine(options);
  const work = async (file: string, _: number, onProgress: (seconds: number) => void) => {
    taken.push(take(await hear(engine, file, options, onProgress)));
  };
  await forEachSound(files, true, work, fail).finally(() => engine.close());
  const text = report(taken, failed);
  if (output === undefined) process.stdout.write(text);
  else await writeOutput(output, text);
}
