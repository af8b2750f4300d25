import { reasonOf } from "../error.ts";
import type { Engine, EngineOptions, RunOptions } from "../node.ts";
import type { Failed, Heard } from "../output/heard.ts";
import { defaultModel, findModel } from "../weights/home.ts";
import { printError } from "./messages.ts";
import { expectApart, modelPaths, writeOutput } from "./output.ts";
import { createBar } from "./progress.ts";
import { readInput, STDIN } from "./readInput.ts";
import { openEngine } from "./transcribe.ts";

/** What commands that report on recordings are told. */
export interface HearOptions extends EngineOptions, RunOptions {
  readonly banEmoUnk?: boolean;
  readonly output?: string;
}

/**
 * What is said in a file, as one segment: the one place to change for segments cut at pauses. Those must not be merged,
 * else silences are inside them and are not found.
 */
async function hear(engine: Engine, file: string, options: HearOptions): Promise<Heard> {
  const { language, itn, banEmoUnk: banUnknownEmotion } = options;
  const pcm = await readInput(file);
  const transcript = await engine.run(pcm, { language, itn, banUnknownEmotion, timestamps: true });
  return { file, duration: transcript.duration, segments: [{ start: 0, end: transcript.duration, ...transcript }] };
}

/**
 * Hears one file after another and writes a report on them. A file that fails is reported and makes the exit status 1;
 * the others are still done. Throws a SenseVoiceError if there is no engine or no place for the output.
 *
 * @param read other files that are read: the output may not go over them
 * @param report makes the output of what `take` returned for each recording
 */
export async function reportOn<T>(
  files: readonly string[],
  options: HearOptions,
  read: readonly string[],
  take: (heard: Heard) => T,
  report: (taken: readonly T[], failed: readonly Failed[]) => string,
): Promise<void> {
  const { model = defaultModel(), output } = options;
  if (output !== undefined) {
    const sounds = files.filter((file) => file !== STDIN);
    expectApart([...sounds, ...read, ...modelPaths(findModel(model))], [["--output", output]]);
    await writeOutput(output);
  }
  const engine = await openEngine(options);
  const bar = files.length === 1 ? undefined : createBar("{bar} {value}/{total} files  {eta_formatted} left");
  bar?.start(files.length, 0);
  const [taken, failed]: [T[], Failed[]] = [[], []];
  try {
    for (const [i, file] of files.entries()) {
      try {
        taken.push(take(await hear(engine, file, options)));
      } catch (error) {
        bar?.stop();
        printError(error, file);
        bar?.start(files.length, i);
        const reason = reasonOf(error);
        failed.push({ file, error: reason.startsWith(`${file}: `) ? reason.slice(file.length + 2) : reason });
        process.exitCode = 1;
      }
      bar?.update(i + 1);
    }
  } finally {
    bar?.stop();
    await engine.close();
  }
  const text = report(taken, failed);
  if (output === undefined) process.stdout.write(text);
  else await writeOutput(output, text);
}
