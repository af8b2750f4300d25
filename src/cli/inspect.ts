import { quote, SenseVoiceError } from "../error.ts";
import { readText } from "../eval/text.ts";
import { DEFAULT_RULES } from "../output/inspect/defaultRules.ts";
import { reportHtml } from "../output/inspect/html.ts";
import { reportMarkdown } from "../output/inspect/markdown.ts";
import { inspectRecording, type Report, summariseReport } from "../output/inspect/report.ts";
import { parseRules } from "../output/inspect/rules.ts";
import { asksForSpeakers } from "./people.ts";
import { type ReportOptions, reportOn } from "./reports.ts";

/** As the command line gives them. */
export interface InspectOptions extends ReportOptions {
  readonly rules?: string;
  readonly format: "md" | "html" | "json";
}

const FORMATS: Readonly<Record<InspectOptions["format"], (report: Report) => string>> = {
  md: reportMarkdown,
  html: reportHtml,
  json: (report) => `${JSON.stringify(report, null, 2)}\n`,
};

/** Writes a report on what happens when in recordings. */
export async function inspect(files: readonly string[], options: InspectOptions): Promise<void> {
  const { rules: path, format } = options;
  const rules = path === undefined ? DEFAULT_RULES : parseRules(await readText(path), path);
  const about = rules.find(({ speakers }) => speakers !== undefined);
  if (about && !asksForSpeakers(options)) {
    throw new SenseVoiceError(`${path}: ${quote(about.name)}: speaker: expected --speakers beside it, got none`);
  }
  await reportOn(
    files,
    options,
    path === undefined ? [] : [path],
    (heard) => inspectRecording(heard, rules),
    (recordings, failed) => FORMATS[format](summariseReport(recordings, failed, rules)),
  );
}
