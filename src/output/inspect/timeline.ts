import { clock, span } from "../heard.ts";
import { type Markup, markup } from "../markup.ts";
import { colourAt, SPEAKER_COLOURS } from "../speakers.ts";
import { EMOTION_COLOURS } from "../tagNames.ts";
import type { RecordingReport, Report } from "./report.ts";

/** Geometry, in the picture's units: names on the left, then the time. */
const [WIDTH, LEFT, RIGHT, LANE, TOP] = [960, 132, 20, 26, 34];

const STYLE = `.tl{--ink:#1d2430;--dim:#66707f;--grid:#e3e7ec;--track:#eef1f5;--event:#2a9d8f;--info:#3b76c4;\
--warning:#c77d00;--critical:#d9433f;font:12px system-ui,sans-serif;fill:var(--ink)}\
@media(prefers-color-scheme:dark){.tl{--ink:#e6eaf0;--dim:#98a2b3;--grid:#2b3340;--track:#222a36;--event:#3dbdac;\
--info:#6aa3ee;--warning:#eda833;--critical:#f0716b}}\
.tl .dim{fill:var(--dim)}.tl .track{fill:var(--track)}.tl line{stroke:var(--grid)}.tl .event{fill:var(--event)}\
.tl .info{fill:var(--info)}.tl .warning{fill:var(--warning)}.tl .critical{fill:var(--critical)}`;

/** Steps of the time axis in seconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

interface Bar {
  readonly start: number;
  readonly end: number;
  readonly colour: Markup;
  readonly title: string;
}

/**
 * A recording as an SVG picture that stands alone: talk coloured by emotion, a lane in a colour of its own for each
 * speaker, one for each event and each rule that found something, gaps left open, a time axis; a title and a description for those who hear it read.
 *
 * @param id what the ids in the picture begin with
 */
export function timelineSvg(recording: RecordingReport, rules: Report["rules"], id: string): Markup {
  const { file, figures, moments, segments, speakers = [] } = recording;
  const duration = Math.max(figures.duration, 0.001);
  const x = (seconds: number) =>
    Number((LEFT + (Math.min(seconds, duration) / duration) * (WIDTH - LEFT - RIGHT)).toFixed(2));
  const talk = segments.filter(({ text }) => text !== "");
  const found = rules.filter(({ name }) => moments.some(({ rule }) => rule === name));
  // A rule of an event's name shows it already.
  const shown = ["speech", ...found.map(({ label }) => label)];
  const events = [...new Set(segments.flatMap(({ events }) => events))].filter((event) => !shown.includes(event));
  const lanes: { name: string; bars: Bar[] }[] = [
    {
      name: "talk",
      bars: talk.map(({ emotion, text, ...times }) => {
        return { ...times, colour: markup`fill="${colourOf(emotion)}"`, title: `${emotion}: ${text}` };
      }),
    },
    ...speakers.map(({ speaker, stretches }, i) => ({
      name: speaker,
      bars: stretches.map((times) => {
        return { ...times, colour: markup`fill="${colourAt(SPEAKER_COLOURS, i)}"`, title: speaker };
      }),
    })),
    ...events.map((name) => ({
      name,
      bars: segments
        .filter((segment) => segment.events.some((event) => event === name))
        .map(({ text, ...times }) => ({ ...times, colour: markup`class="event"`, title: `${name} ${text}` })),
    })),
    ...found.map(({ name, label, severity }) => ({
      name: label,
      bars: moments
        .filter(({ rule }) => rule === name)
        .map(({ before, match, after, ...times }) => {
          return { ...times, colour: markup`class="${severity}"`, title: `${label}: ${before}${match}${after}` };
        }),
    })),
  ];
  const bottom = TOP + lanes.length * LANE;
  const step = STEPS.find((seconds) => duration / seconds <= 10) ?? duration / 10;
  const ticks = Array.from({ length: Math.floor(duration / step) + 1 }, (_, i) => i * step);
  const emotions = [...new Set(talk.map(({ emotion }) => emotion))];
  return markup`<svg xmlns="http://www.w3.org/2000/svg" class="tl" viewBox="0 0 ${WIDTH} ${bottom + 28}" role="img" \
aria-labelledby="${id}-title ${id}-desc">
<title id="${id}-title">Timeline of ${file}</title>
<desc id="${id}-desc">${describe(recording, found)}</desc>
<style>${{ source: STYLE }}</style>
${emotions.map((emotion, i) => {
  const left = LEFT + i * 96;
  return markup`<rect x="${left}" y="9" width="12" height="12" rx="3" fill="${colourOf(emotion)}"/><text x="${left + 18}" y="19" class="dim">${emotion}</text>`;
})}
${ticks.map((time) => markup`<line x1="${x(time)}" x2="${x(time)}" y1="${TOP}" y2="${bottom + 4}"/><text x="${x(time)}" y="${bottom + 19}" class="dim" text-anchor="middle">${clock(time)}</text>`)}
${lanes.map(({ name, bars }, i) => {
  const y = TOP + i * LANE;
  return markup`<text x="${LEFT - 12}" y="${y + 17}" text-anchor="end">${name.length > 18 ? `${name.slice(0, 17)}…` : name}</text>
<rect x="${LEFT}" y="${y + 4}" width="${WIDTH - LEFT - RIGHT}" height="${LANE - 8}" rx="4" class="track"/>
${bars.map(({ start, end, colour, title }) => {
  const width = Math.max(x(end) - x(start), 3).toFixed(2);
  return markup`<rect x="${x(start)}" y="${y + 4}" width="${width}" height="${LANE - 8}" rx="2" ${colour}><title>${clock(start)} ${title}</title></rect>`;
})}`;
})}
</svg>`;
}

function describe({ figures, moments }: RecordingReport, found: Report["rules"]): string {
  const { duration, talk, sound, silence } = figures;
  const marks = found.map(({ name, label }) => `${label} ${moments.filter(({ rule }) => rule === name).length}`);
  const times = `${span(duration)} in all: talk ${span(talk)}, other sound ${span(sound)}, silence ${span(silence)}.`;
  return `${times} Found: ${marks.join(", ") || "nothing"}.`;
}

/** The colour of an emotion. */
export function colourOf(emotion: string): string {
  return (EMOTION_COLOURS as Readonly<Record<string, string>>)[emotion] ?? EMOTION_COLOURS.unknown;
}
