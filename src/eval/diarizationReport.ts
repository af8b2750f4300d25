import { SenseVoiceError } from "../error.ts";
import {
  type DiarizationResult,
  diarizationErrorRate,
  jaccardErrorRate,
  type Scoring,
  type SpeakerErrors,
  scoreRecording,
  sumErrors,
} from "./diarization.ts";
import type { ReportFormat } from "./report.ts";
import type { Region, SpeakerTurn } from "./rttm.ts";
import { markdownTable, type Table, textTable } from "./table.ts";

/** The collars that the literature reports, in seconds: DIHARD's and NIST's. */
const COLLARS = [0, 0.25];

/** What a comparison found out; in JSON as it stands. Rates are in [0, 1] or above, null where nothing is scored. */
export interface SpeakerReport {
  readonly reference: string;
  readonly hypothesis: string;
  /** null: all from the first to the last speech of either side. */
  readonly uem: string | null;
  /** All recordings together, for each collar with and without overlap. */
  readonly errors: readonly (Scoring & SpeakerErrors & { readonly der: number | null })[];
  /** The mean over all speakers of the reference. */
  readonly jer: number | null;
  /** `errors` in the same order as those of all. */
  readonly recordings: readonly DiarizationResult[];
  /** Of the reference, without a hypothesis: all of their speech is missed. */
  readonly missing: readonly string[];
  /** Left out: not in the reference, not in the UEM, or not to be heard. */
  readonly leftOut: readonly string[];
}

/** Who speaks when by recording. */
type Turns = ReadonlyMap<string, readonly SpeakerTurn[]>;

/**
 * Compares the recordings of a reference with a hypothesis.
 *
 * @throws SenseVoiceError if there is nothing to score
 */
export function evaluateSpeakers(
  files: Pick<SpeakerReport, "reference" | "hypothesis" | "uem">,
  given: {
    readonly reference: Turns;
    readonly hypothesis: Turns;
    readonly regions?: ReadonlyMap<string, readonly Region[]>;
    readonly collars?: readonly number[];
    /** What of the reference is scored, if not all. */
    readonly only?: ReadonlySet<string>;
  },
): SpeakerReport {
  const { reference, hypothesis, regions, collars = COLLARS, only = reference } = given;
  if (reference.size === 0) throw new SenseVoiceError(`${files.reference}: expected SPEAKER lines, got none`);
  const scored = [...reference.keys()].filter((name) => only.has(name) && (regions?.has(name) ?? true));
  if (scored.length === 0) {
    throw new SenseVoiceError(
      `${files.uem}: expected recordings of ${files.reference}, got ${[...regions!.keys()][0]}`,
    );
  }
  const scorings = collars.flatMap((collar) => [true, false].map((overlap): Scoring => ({ collar, overlap })));
  const recordings = scored.map((name) => {
    return scoreRecording(name, reference.get(name)!, hypothesis.get(name) ?? [], scorings, regions?.get(name));
  });
  const errors = scorings.map((scoring, i) => {
    const sum = sumErrors(recordings.map((result) => result.errors[i]));
    return { ...scoring, ...sum, der: diarizationErrorRate(sum) };
  });
  return {
    ...files,
    errors,
    jer: jaccardErrorRate(recordings),
    recordings,
    missing: scored.filter((recording) => !hypothesis.has(recording)),
    leftOut: [...new Set([...reference.keys(), ...hypothesis.keys()])].filter((name) => !scored.includes(name)),
  };
}

/** A report to print. JSON is one line. */
export function formatSpeakerReport(report: SpeakerReport, format: ReportFormat): string {
  if (format === "json") return `${JSON.stringify(report)}\n`;
  const { reference, hypothesis, uem, recordings, missing, leftOut } = report;
  const notes = [
    `reference: ${reference}, ${recordings.length} recordings`,
    `hypothesis: ${hypothesis}`,
    `scored: ${uem ?? "from the first to the last speech of either side"}`,
    ...(missing.length > 0 ? [`without a hypothesis, all missed: ${missing.join(", ")}`] : []),
    ...(leftOut.length > 0 ? [`left out, not to be scored: ${leftOut.join(", ")}`] : []),
  ];
  const tables = [errorTable(report), recordingTable(report)];
  const head = format === "text" ? notes : ["# Speakers", "", ...notes.map((note) => `- ${note}`)];
  return [...head, "", ...tables.map(format === "text" ? textTable : markdownTable)].join("\n");
}

function errorTable({ errors, jer }: SpeakerReport): Table {
  const rows = errors.map(({ scored, der, missed, falseAlarm, confusion, ...scoring }) => {
    const shares = [missed, falseAlarm, confusion].map((seconds) => percent(scored > 0 ? seconds / scored : null));
    return [`DER, ${nameOf(scoring)}`, percent(der), ...shares, scored.toFixed(2)];
  });
  return {
    title: "Errors in percent of the speech in the reference (DER as md-eval-22, JER as dscore)",
    head: ["", "rate", "missed", "false alarm", "confusion", "scored, s"],
    rows: [...rows, ["JER", percent(jer), "", "", "", ""]],
  };
}

function recordingTable({ errors, recordings }: SpeakerReport): Table {
  return {
    title: "Recordings",
    head: ["recording", "speakers", "found", ...errors.map((scoring) => `DER, ${nameOf(scoring)}`), "JER"],
    rows: recordings.map((result) => [
      result.recording,
      ...[result.speakers.reference, result.speakers.hypothesis].map(String),
      ...[...result.errors.map(diarizationErrorRate), jaccardErrorRate([result])].map(percent),
    ]),
  };
}

function nameOf({ collar, overlap }: Scoring): string {
  return `collar ${collar} s${overlap ? "" : ", no overlap"}`;
}

function percent(share: number | null): string {
  return share === null ? "–" : (100 * share).toFixed(2);
}
