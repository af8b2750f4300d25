import type { TokenComparison } from "./baseline.ts";
import type { ClipFailure, ClipResult, EvaluateOptions } from "./evaluate.ts";
import type { ModelSize } from "./modelSize.ts";
import type { Accuracy, Score, Summary } from "./summary.ts";
import { markdownTable, type Table, textTable } from "./table.ts";

/** What an evaluation found out and how; in JSON as it stands, but for failures (their error is its message). */
export interface EvalReport {
  /** The path that was given. */
  readonly dataset: string;
  readonly model: string;
  /** How the linear weights are kept on the device. */
  readonly weights: string;
  readonly device: string;
  readonly deviceDescription: string;
  readonly language: NonNullable<EvaluateOptions["language"]>;
  /** What was done to the texts before they were compared; null for nothing but taking out tags. */
  readonly normalisation: string | null;
  readonly size: ModelSize;
  /** Seconds from nothing to a model on the device. */
  readonly loading: number;
  /** Bytes: the most that the process held at a time, and what the device holds at the end. */
  readonly memory: { readonly peakRss: number; readonly device: number };
  readonly summary: Summary;
  /** null without a baseline. */
  readonly baseline: (TokenComparison & { readonly file: string }) | null;
  readonly clips: readonly ClipResult[];
  readonly failures: readonly ClipFailure[];
}

export type ReportFormat = "text" | "json" | "markdown";

/** A report to print. JSON is one line, which `--baseline` reads again. */
export function formatReport(report: EvalReport, format: ReportFormat): string {
  if (format === "json") {
    const failures = report.failures.map(({ error, ...clip }) => ({ ...clip, error: error.message }));
    return `${JSON.stringify({ ...report, failures })}\n`;
  }
  const tables = [
    errorTable(report),
    ...tagTables(report.summary),
    ...baselineTables(report),
    costTable(report),
    ...failureTables(report),
  ];
  const table = format === "text" ? textTable : markdownTable;
  const notes = reportNotes(report);
  const head = format === "text" ? notes : ["# Evaluation", "", ...notes.map((note) => `- ${note}`)];
  return [...head, "", ...tables.map(table)].join("\n");
}

function reportNotes(report: EvalReport): string[] {
  const { clips, failures, summary } = report;
  const asked = report.language === "manifest" ? "each clip's own" : report.language;
  const texts = report.normalisation ?? "as they are, but for tags";
  return [
    `data: ${report.dataset}, ${clips.length + failures.length} clips, ${summary.sound.toFixed(1)} s of sound`,
    `model: ${report.model}, ${report.weights} on ${report.device} (${report.deviceDescription})`,
    `language asked for: ${asked}`,
    `texts: ${texts}`,
  ];
}

function errorTable({ summary }: EvalReport): Table {
  const row = ({ language, clips, unit, edits, ...rates }: Score) => [
    language,
    String(clips),
    { characters: "CER", words: "WER", mixed: "mixed" }[unit],
    percent(rates.errorRate),
    ...[edits.substitutions, edits.deletions, edits.insertions, edits.length].map(String),
    percent(rates.characterErrorRate),
  ];
  return {
    title: "Errors in percent: (S + D + I) / N over all clips together",
    head: ["language", "clips", "unit", "rate", "S", "D", "I", "N", "CER"],
    rows: summary.scores.map(row),
  };
}

function tagTables({ language, emotion, event }: Summary): Table[] {
  const row = (name: string, { right, of }: Accuracy) => [
    name,
    String(right),
    String(of),
    percent(of > 0 ? right / of : null),
  ];
  const rows = Object.entries({ language, emotion, event })
    .filter(([, { of }]) => of > 0)
    .map(([name, accuracy]) => row(name, accuracy));
  if (rows.length === 0) return [];
  return [{ title: "Tags", head: ["tag", "right", "of", "percent"], rows }];
}

function baselineTables({ baseline }: EvalReport): Table[] {
  if (!baseline) return [];
  const { differing, tokens, clips, same, askedOtherwise, missing } = baseline;
  const rows = [
    ["tokens that differ (edit distance)", `${differing} of ${tokens}`],
    ["the same, percent", percent(tokens > 0 ? 1 - differing / tokens : null)],
    ["clips that are the same", `${same} of ${clips}`],
    ["clips left out: asked otherwise", String(askedOtherwise)],
    ["clips left out: not in it", String(missing)],
  ];
  return [{ title: `Against the baseline ${baseline.file}`, head: ["", ""], rows }];
}

function costTable({ summary, size, loading, memory }: EvalReport): Table {
  const { seconds, rtf } = summary;
  const rows = [
    ["real-time factor (work / sound; reading files not counted)", rtf === null ? "–" : rtf.toFixed(4)],
    ["work, s", seconds.total.toFixed(2)],
    ["  sound to features, s", seconds.features.toFixed(2)],
    ["  encoder and CTC head, s", seconds.encode.toFixed(2)],
    ["  tokens to text, s", seconds.decode.toFixed(2)],
    ["reading and decoding files, s", seconds.reading.toFixed(2)],
    ["loading the model, s", loading.toFixed(2)],
    ["weights file, MB", megabytes(size.bytes)],
    ["  of it linear weights, MB", megabytes(size.linearBytes)],
    ["  bits per linear weight", ((8 * size.linearBytes) / size.linearWeights).toFixed(2)],
    ["peak memory of the process (RSS), MB", megabytes(memory.peakRss)],
    ["device memory held, MB", megabytes(memory.device)],
  ];
  return { title: "Cost", head: ["", ""], rows };
}

function failureTables({ failures }: EvalReport): Table[] {
  if (failures.length === 0) return [];
  const rows = failures.map(({ key, error }) => [key, error.message]);
  return [{ title: `Failed: ${failures.length}, counted nowhere above`, head: ["clip", "error"], rows }];
}

function percent(share: number | null): string {
  return share === null ? "–" : (100 * share).toFixed(2);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
