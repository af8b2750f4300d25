import { clock } from "../heard.ts";
import { type Markup, markup } from "../markup.ts";
import { colourAt, SPEAKER_COLOURS, speakerPrefix } from "../speakers.ts";
import { type Figures, figureRows, shares } from "./figures.ts";
import type { Moment, RecordingReport, Report } from "./report.ts";
import { SPEAKER_HEAD, speakerRow } from "./speakers.ts";
import { colourOf, timelineSvg } from "./timeline.ts";

const STYLE = `:root{color-scheme:light dark;--ink:#1d2430;--dim:#66707f;--line:#e3e7ec;--page:#f5f7f9;--card:#fff;\
--mark:#ffe9a8;--info:#3b76c4;--warning:#c77d00;--critical:#d9433f}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--dim:#98a2b3;--line:#2b3340;--page:#12161d;--card:#1a2029;\
--mark:#5c4a12;--info:#6aa3ee;--warning:#eda833;--critical:#f0716b}}\
body{margin:0 auto;max-width:64rem;padding:2rem 1.25rem 4rem;font:15px/1.5 system-ui,sans-serif;color:var(--ink);\
background:var(--page)}h1{font-size:1.6rem;margin:0 0 1.25rem}h2{font-size:1.1rem;margin:0;overflow-wrap:anywhere}\
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.25rem 1.5rem;margin:0 0 1.25rem}\
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1rem 0}dt{color:var(--dim);font-size:.8rem}\
dd{margin:0;font-size:1.25rem;font-variant-numeric:tabular-nums}small{color:var(--dim);font-size:.8rem}\
.scroll{overflow-x:auto}svg{display:block;min-width:44rem;width:100%;margin:.5rem 0}\
table{border-collapse:collapse;width:100%}th{text-align:left;color:var(--dim);font-weight:500;font-size:.8rem}\
td,th{padding:.4rem 1rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}tr:last-child td{border:0}\
td:last-child,th:last-child{width:100%;padding-right:0;overflow-wrap:anywhere}\
.time{color:var(--dim);font-variant-numeric:tabular-nums;white-space:nowrap}\
.rule{white-space:nowrap}.rule::before{content:"";display:inline-block;width:.6em;height:.6em;border-radius:50%;\
margin-right:.5em;background:var(--info)}.warning::before{background:var(--warning)}\
.critical::before{background:var(--critical)}mark{background:var(--mark);color:inherit;border-radius:3px;padding:0 .15em}\
.share{display:flex;height:.6rem;border-radius:.3rem;overflow:hidden;margin:.75rem 0 .25rem;gap:2px}\
.share i{flex-basis:0}.failed{color:var(--critical)}summary{cursor:pointer;color:var(--dim)}`;

/** A report as one HTML file: no script, nothing from outside, every text escaped; well-formed XML as well. */
export function reportHtml(report: Report): string {
  const { rules, total, recordings, failed } = report;
  const count = recordings.length + failed.length;
  const heading = `${count} recording${count === 1 ? "" : "s"} inspected`;
  return `<!DOCTYPE html>\n${
    markup`<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>${heading}</title>
<style>${{ source: STYLE }}</style>
</head>
<body>
<h1>${heading}</h1>
<section>
<h2>All together</h2>
${figures(total)}
<table>
<tr><th>Moments</th><th>Rule</th></tr>
${rules.map(({ label, severity, note, moments }) => {
  return markup`<tr><td>${moments}</td><td>${badge(label, severity)} <small>${note}</small></td></tr>`;
})}
</table>
${failed.map(({ file, error }) => markup`<p class="failed">${file}: failed: ${error}</p>`)}
</section>
${recordings.map((recording, i) => section(recording, rules, `r${i}`))}
</body>
</html>`.source
  }\n`;
}

function section(recording: RecordingReport, rules: Report["rules"], id: string): Markup {
  const { file, moments, segments, speakers = [] } = recording;
  const byName = new Map(rules.map((rule) => [rule.name, rule]));
  const row = ({ rule, start, before, match, after, speaker }: Moment): Markup => {
    const { label, severity } = byName.get(rule)!;
    return markup`<tr><td class="time">${clock(start)}</td><td>${badge(label, severity)}</td><td>${speakerPrefix(speaker)}${before}${before + after === "" ? match : markup`<mark>${match}</mark>`}${after}</td></tr>`;
  };
  return markup`<section>
<h2>${file}</h2>
${figures(recording.figures)}
${speakers.length === 0 ? "" : speakerTable(speakers)}<div class="scroll">${timelineSvg(recording, rules, id)}</div>
${moments.length === 0 ? markup`<p><small>No rule found anything.</small></p>` : markup`<table>\n<tr><th>Time</th><th>Rule</th><th>Words around</th></tr>\n${moments.map(row)}\n</table>`}
<details><summary>Transcript</summary><table>
${segments.map(({ start, text, events, speaker }) => markup`<tr><td class="time">${clock(start)}</td><td>${speakerPrefix(speaker)}${text || `(${events.join(", ")})`}</td></tr>`)}
</table></details>
</section>`;
}

function speakerTable(speakers: NonNullable<RecordingReport["speakers"]>): Markup {
  const row = (cells: readonly string[], i: number) => {
    const dot = `--info:${colourAt(SPEAKER_COLOURS, i)}`;
    const narrow = cells.slice(1, -1).map((cell) => markup`<td style="white-space:nowrap">${cell}</td>`);
    return markup`<tr><td><span class="rule" style="${dot}">${cells[0]}</span></td>${narrow}<td>${cells.at(-1)!}</td></tr>`;
  };
  return markup`<table>
<tr>${SPEAKER_HEAD.map((name) => markup`<th>${name}</th>`)}</tr>
${speakers.map(speakerRow).map(row)}
</table>
`;
}

function badge(label: string, severity: string): Markup {
  return markup`<span class="rule ${severity}" title="${severity}">${label}</span>`;
}

/** Times, rates and shares. */
function figures(all: Figures): Markup {
  const cell = ([name, value, small]: readonly string[]) => {
    return markup`<div><dt>${name}</dt><dd>${value} <small>${small}</small></dd></div>`;
  };
  const list = markup`<dl>${figureRows(all).map(cell)}</dl>`;
  if (all.talk === 0) return list;
  const bars = Object.entries(all.emotions).map(([name, seconds]) => {
    return markup`<i style="flex-grow:${seconds};background:${colourOf(name)}"></i>`;
  });
  return markup`${list}
<div class="share" aria-hidden="true">${bars}</div>
<p><small>${shares(all.emotions, all.talk)} · ${shares(all.languages, all.talk)}</small></p>`;
}
