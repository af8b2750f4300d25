import { createEngine, type Engine, type EngineOptions, type RunOptions } from "../node.ts";
import { defaultModel, findModel, SMALL_ID } from "../weights/home.ts";
import { jsonLine, textLines } from "./format.ts";
import { readHotwords } from "./hotwords.ts";
import { printError, printNote } from "./messages.ts";
import { expectApart, makeResultFolder, modelPaths, resultPath, writeOutput } from "./output.ts";
import { createBar } from "./progress.ts";
import { readInput, STDIN } from "./readInput.ts";

/** As the command line gives them. */
export interface TranscribeOptions extends EngineOptions, RunOptions {
  readonly hotwords?: string[];
  readonly hotwordsFile?: string;
  readonly banEmoUnk?: boolean;
  readonly format: "text" | "json";
  readonly output?: string;
}

/**
 * Transcribes files one after another with one engine. A file that fails is reported and makes the exit status 1;
 * the others are still done. Throws a SenseVoiceError if there is no engine or no place for the output.
 */
export async function transcribe(files: readonly string[], options: TranscribeOptions): Promise<void> {
  const { model = defaultModel(), format, output } = options;
  const sounds = files.filter((file) => file !== STDIN);
  const targets = output === undefined ? undefined : files.map((file) => resultPath(file, output, format));
  const results = (targets ?? []).map((target, i) => [files[i], target] as const);
  if (targets) expectApart([...sounds, ...modelPaths(findModel(model))], results);
  const hotwords = await readHotwords(options.hotwords, options.hotwordsFile);
  const engine = await openEngine(options);
  // Where the results themselves show on the terminal there is no need of a bar.
  const quiet = files.length === 1 || (!targets && process.stdout.isTTY);
  const bar = quiet ? undefined : createBar("{bar} {value}/{total} files  {eta_formatted} left");
  bar?.start(files.length, 0);
  try {
    if (output !== undefined) makeResultFolder(output);
    for (const [i, file] of files.entries()) {
      try {
        const result = await transcribeFile(engine, file, { ...options, hotwords }, files.length > 1 && !targets);
        if (targets) await writeOutput(targets[i], result);
        else process.stdout.write(result);
      } catch (error) {
        bar?.stop();
        printError(error, file);
        bar?.start(files.length, i);
        process.exitCode = 1;
      }
      bar?.update(i + 1);
    }
  } finally {
    bar?.stop();
    await engine.close();
  }
}

/** The engine for a command's options, with notes on stderr about what was not asked for by name. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { device, weights, threads, model = defaultModel() } = options;
  if (options.model === undefined && model === "tiny") {
    printNote(`using the demonstration model, tiny; for the real one: sensevoice download ${SMALL_ID}`);
  }
  const engine = await createEngine({ model, device, weights, threads });
  if (device === "auto" && engine.device !== "webgpu") {
    printNote(`no GPU found, running on the CPU (${engine.deviceDescription})`);
  }
  return engine;
}

async function transcribeFile(
  engine: Engine,
  file: string,
  options: RunOptions & Pick<TranscribeOptions, "banEmoUnk" | "format">,
  named: boolean,
): Promise<string> {
  const { language, languages, hotwords, itn, timestamps, banEmoUnk: banUnknownEmotion } = options;
  const pcm = await readInput(file);
  const transcript = await engine.run(pcm, { language, languages, hotwords, itn, timestamps, banUnknownEmotion });
  if (options.format === "json") return jsonLine(file, transcript, engine);
  return textLines(transcript, named ? file : undefined);
}
