import { SenseVoiceError } from "../error.ts";
import { evaluateSpeakers, formatSpeakerReport } from "../eval/diarizationReport.ts";
import type { ReportFormat } from "../eval/report.ts";
import { parseRttm, parseUem } from "../eval/rttm.ts";
import { readText, textsRead } from "../eval/text.ts";
import { expectApart, writeOutput } from "./output.ts";

/** As the command line gives them. */
export interface EvalSpeakersOptions {
  readonly rttm?: string;
  readonly hypothesis?: string;
  readonly uem?: string;
  readonly collar?: number;
  readonly format: ReportFormat;
  readonly output?: string;
}

/**
 * Compares who speaks when with what was expected and prints the report. Throws a SenseVoiceError if a file cannot be
 * read, or if there is nothing to compare.
 */
export async function evalSpeakers({ rttm = "", uem, collar, format, output, ...given }: EvalSpeakersOptions) {
  const { hypothesis } = given;
  if (hypothesis === undefined) {
    throw new SenseVoiceError("--rttm: expected --hypothesis FILE.rttm to be compared with it, got none");
  }
  const files = { reference: rttm, hypothesis, uem: uem ?? null };
  const report = evaluateSpeakers(files, {
    reference: parseRttm(await readText(rttm), rttm),
    hypothesis: parseRttm(await readText(hypothesis), hypothesis),
    regions: uem === undefined ? undefined : parseUem(await readText(uem), uem),
    collars: collar === undefined ? undefined : [collar],
  });
  const text = formatSpeakerReport(report, format);
  if (output === undefined) return void process.stdout.write(text);
  expectApart(textsRead, [["--output", output]]);
  await writeOutput(output, text);
}
