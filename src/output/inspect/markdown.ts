import { oneLine } from "../../error.ts";
import { clock } from "../heard.ts";
import { speakerPrefix } from "../speakers.ts";
import { type Figures, figureRows, shares } from "./figures.ts";
import type { RecordingReport, Report } from "./report.ts";
import { SPEAKER_HEAD, speakerRow } from "./speakers.ts";

/** A report as Markdown with tables; nothing in it is a link, an image or HTML. */
export function reportMarkdown({ rules, total, recordings, failed }: Report): string {
  const labels = new Map(rules.map(({ name, label }) => [name, label]));
  const sections = recordings.map((recording) => [
    `## ${plain(recording.file)}`,
    figures(recording.figures),
    ...(recording.speakers ? [table(SPEAKER_HEAD, recording.speakers.map(speakerRow))] : []),
    `\`${bar(recording)}\` talk █, other sound ▒, silence ·`,
    recording.moments.length === 0
      ? "No rule found anything."
      : table(
          ["Time", "Rule", "Words around"],
          recording.moments.map(({ start, rule, before, match, after, speaker }) => {
            return [clock(start), labels.get(rule)!, `${speakerPrefix(speaker)}${before}${match}${after}`];
          }),
        ),
  ]);
  const parts = [
    "# Inspection",
    figures(total),
    table(
      ["Rule", "Severity", "Moments", "Note"],
      rules.map(({ label, severity, moments, note }) => [label, severity, String(moments), note]),
    ),
    ...failed.map(({ file, error }) => `**failed**: ${plain(file)}: ${plain(error)}`),
    ...sections.flat(),
  ];
  return `${parts.join("\n\n")}\n`;
}

function figures(all: Figures): string {
  const rows = figureRows(all).map((row) => row.join(" ").trim());
  return [rows.join(", "), shares(all.emotions, all.talk), shares(all.languages, all.talk)]
    .filter((line) => line !== "")
    .map(plain)
    .join(" · ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows.map((row) => row.map(plain))]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** 60 characters for the recording's time: what is there at the middle of each. */
function bar({ segments, figures: { duration } }: RecordingReport): string {
  return Array.from({ length: 60 }, (_, i) => {
    const time = ((i + 0.5) / 60) * duration;
    const segment = segments.find(({ start, end }) => start <= time && time < end);
    return segment === undefined ? "·" : segment.text === "" ? "▒" : "█";
  }).join("");
}

/** A text that means nothing to Markdown, addresses that GitHub makes links of included. */
function plain(text: string): string {
  return oneLine(text)
    .replace(/[\\`*_[\]<>|~&#$]/g, "\\$&")
    .replace(/:(?=\/\/)|\.(?<=www\.)|@/gi, "\\$&");
}
