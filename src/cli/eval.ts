import { compareTokens, parseBaseline } from "../eval/baseline.ts";
import { readDataset } from "../eval/dataset.ts";
import { evaluate } from "../eval/evaluate.ts";
import { modelSize } from "../eval/modelSize.ts";
import { NORMALISATION } from "../eval/normalise.ts";
import { formatReport, type ReportFormat } from "../eval/report.ts";
import { summarise } from "../eval/summary.ts";
import { readText, textsRead } from "../eval/text.ts";
import { type AskedLanguage, type EngineOptions, readAudio } from "../node.ts";
import { defaultModel, findModel } from "../weights/home.ts";
import { printError } from "./messages.ts";
import { expectApart, modelPaths, writeOutput } from "./output.ts";
import { createBar } from "./progress.ts";
import { openEngine } from "./transcribe.ts";

/** As the command line gives them. */
export interface EvalOptions extends EngineOptions {
  readonly language: AskedLanguage;
  readonly askLanguage?: boolean;
  readonly limit?: number;
  readonly normalise: boolean;
  readonly baseline?: string;
  readonly format: ReportFormat;
  readonly output?: string;
}

/**
 * Evaluates a model on a data set and prints the report. A clip that fails is reported and makes the exit status 1;
 * the others are still done. Throws a SenseVoiceError if there is no data, no baseline or no engine.
 */
export async function evalData(dataset: string, options: EvalOptions): Promise<void> {
  const { limit, normalise, output, model = defaultModel() } = options;
  const all = await readDataset(dataset);
  const clips = all.slice(0, limit);
  const answers =
    options.baseline === undefined ? undefined : parseBaseline(await readText(options.baseline), options.baseline);
  const dir = findModel(model);
  if (output !== undefined) {
    const sounds = all.map(({ source }) => source);
    expectApart([...sounds, ...textsRead, ...modelPaths(dir)], [["--output", output]]);
  }
  const language = options.askLanguage ? "manifest" : options.language;

  const start = performance.now();
  const engine = await openEngine(options);
  const loading = (performance.now() - start) / 1000;
  const bar = createBar("{bar} {value}/{total} clips  {eta_formatted} left");
  bar.start(clips.length, 0);
  try {
    if (output !== undefined) await writeOutput(output);
    const { results, failures } = await evaluate(engine, clips, {
      read: readAudio,
      language,
      normalise,
      onClip(done, failure) {
        if (failure) {
          bar.stop();
          printError(failure.error, failure.source);
          bar.start(clips.length, done);
          process.exitCode = 1;
        }
        bar.update(done);
      },
    });
    bar.stop();
    const text = formatReport(
      {
        dataset,
        model: engine.config.name,
        weights: engine.weights,
        device: engine.device,
        deviceDescription: engine.deviceDescription,
        language,
        normalisation: normalise ? NORMALISATION : null,
        size: await modelSize(dir, engine.config),
        loading,
        memory: { peakRss: process.resourceUsage().maxRSS * 1024, device: engine.memory },
        summary: summarise(results),
        baseline: answers ? { file: options.baseline!, ...compareTokens(results, answers) } : null,
        clips: results,
        failures,
      },
      options.format,
    );
    if (output === undefined) process.stdout.write(text);
    else await writeOutput(output, text);
  } finally {
    bar.stop();
    await engine.close();
  }
}
