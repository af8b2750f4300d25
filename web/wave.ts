import type { Segment } from "../src/index.ts";
import { hasSpeakers, stretchesOf } from "../src/output/speakers.ts";
import { EMOTION_COLOURS } from "../src/output/tagNames.ts";
import { h } from "./dom.ts";
import { clockOf } from "./format.ts";
import type { Player } from "./player.ts";
import { effect, onCleanup } from "./reactive.ts";
import { outlineOf, type Recording } from "./recording.ts";
import { settings } from "./settings.ts";
import { speakerColour } from "./speakers.ts";
import { t } from "./strings.ts";

/** What events are marked with. */
export const EVENT_MARKS: Readonly<Record<string, string>> = {
  ...{ bgm: "🎼", laughter: "😀", applause: "👏", cry: "😭", sneeze: "🤧", breath: "💨", cough: "😷", sing: "🎤" },
};

/** Pixels of a bar and its gap, of the marks above, and between two marks. */
const [BAR, GAP, MARKS, MARK_WIDTH] = [2, 1, 20, 18];
/** Pixels of the lane of speakers below. */
const LANE = 4;
const STEP_SECONDS = 5;

/**
 * The wave form: segments in the colours of their emotions, events as marks above, speakers as a lane below, the place that
 * is played. A slider.
 */
export function wave(recording: Recording, player: Player): HTMLElement {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const head = h("div", { class: "playhead", hidden: () => !player.able.value });
  const place = (event: PointerEvent) => {
    const { left, width } = canvas.getBoundingClientRect();
    return ((event.clientX - left) / width) * recording.duration.peek();
  };
  const slider = h(
    "div",
    {
      class: "wave",
      role: "slider",
      tabindex: "0",
      "aria-label": () => t().position,
      "aria-valuemin": 0,
      "aria-valuemax": () => Math.ceil(recording.duration.value),
      "aria-valuenow": () => Math.floor(player.time.value),
      "aria-valuetext": () => t().timeOf(clockOf(player.time.value), clockOf(recording.duration.value)),
      "aria-disabled": () => (player.able.value ? "false" : "true"),
      onpointerdown: (event: PointerEvent) => {
        slider.setPointerCapture(event.pointerId);
        player.seek(place(event));
      },
      onpointermove: (event: PointerEvent) => {
        if (slider.hasPointerCapture(event.pointerId)) player.seek(place(event));
      },
      onkeydown: (event: KeyboardEvent) => {
        if (move(event.key, recording, player)) event.preventDefault();
      },
    },
    canvas,
    head,
  );
  effect(() => {
    const duration = recording.duration.value;
    const share = duration > 0 ? Math.min(1, player.time.value / duration) : 0;
    head.style.left = `${100 * share}%`;
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const draw = () => drawWave(canvas, recording);
  let asked = 0;
  const drawSoon = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(draw);
  };
  effect(() => {
    recording.shape.value;
    recording.segments.value;
    recording.duration.value;
    settings.theme.value;
    drawSoon();
  });
  const observer = new ResizeObserver(drawSoon);
  observer.observe(slider);
  dark.addEventListener("change", drawSoon);
  onCleanup(() => {
    observer.disconnect();
    dark.removeEventListener("change", drawSoon);
    cancelAnimationFrame(asked);
  });
  return slider;
}

function move(key: string, recording: Recording, player: Player): boolean {
  const now = player.time.peek();
  const places: Record<string, number> = {
    ArrowLeft: now - STEP_SECONDS,
    ArrowDown: now - STEP_SECONDS,
    ArrowRight: now + STEP_SECONDS,
    ArrowUp: now + STEP_SECONDS,
    PageDown: now - 6 * STEP_SECONDS,
    PageUp: now + 6 * STEP_SECONDS,
    Home: 0,
    End: recording.duration.peek(),
  };
  if (key === " " || key === "Enter") player.toggle();
  else if (key in places) player.seek(places[key]);
  else return false;
  return true;
}

function drawWave(canvas: HTMLCanvasElement, recording: Recording): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  if (!context || width === 0) return;
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  context.scale(scale, scale);
  const duration = recording.duration.peek();
  const { peaks, peakSeconds } = recording;
  const segments = recording.segments.peek();
  const idle = getComputedStyle(canvas).color;
  const bars = Math.floor(width / (BAR + GAP));
  const known = duration > 0 ? Math.ceil(bars * Math.min(1, (peaks.length * peakSeconds) / duration)) : 0;
  const tops = outlineOf(peaks, known);
  const most = Math.max(
    40,
    tops.reduce((a, b) => Math.max(a, b), 0),
  );
  const waves = height - MARKS - (hasSpeakers(segments) ? LANE + 2 : 0);
  const middle = MARKS + waves / 2;
  let next = 0;
  for (let i = 0; i < bars; i++) {
    const from = (i / bars) * duration;
    const to = ((i + 1) / bars) * duration;
    while (next < segments.length && segments[next].end <= from) next++;
    const inside = segments[next] && segments[next].start < to;
    context.fillStyle = inside ? EMOTION_COLOURS[segments[next].emotion] : idle;
    const half = Math.max(1, (((tops[i] ?? 0) / most) * waves) / 2);
    context.beginPath();
    context.roundRect(i * (BAR + GAP), middle - half, BAR, 2 * half, 1);
    context.fill();
  }
  for (const { start, end, speaker } of segments.flatMap(stretchesOf)) {
    context.fillStyle = speakerColour(speaker);
    const perSecond = width / Math.max(duration, 1e-9);
    context.fillRect(start * perSecond, height - LANE, Math.max(1, (end - start) * perSecond), LANE);
  }
  drawMarks(context, segments, width / Math.max(duration, 1e-9));
}

/** Marks that would lie on the one before are left out. */
function drawMarks(context: CanvasRenderingContext2D, segments: readonly Segment[], perSecond: number): void {
  context.font = "14px system-ui, 'Apple Color Emoji', 'Segoe UI Emoji', 'Noto Color Emoji', sans-serif";
  context.textBaseline = "top";
  let free = 0;
  for (const { start, events } of segments) {
    for (const event of events) {
      const mark = EVENT_MARKS[event];
      const x = start * perSecond;
      if (!mark || x < free) continue;
      context.fillText(mark, x, 0);
      free = x + MARK_WIDTH;
    }
  }
}
