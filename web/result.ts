import { announce } from "./announce.ts";
import { h } from "./dom.ts";
import { clockOf, percentOf, speedOf } from "./format.ts";
import { icon } from "./icons.ts";
import { Player } from "./player.ts";
import { problemBox } from "./problemBox.ts";
import { isOpen, keep, retry } from "./queue.ts";
import { effect } from "./reactive.ts";
import type { Recording } from "./recording.ts";
import { saveButtons } from "./save.ts";
import { speakerLegend } from "./speakers.ts";
import { t } from "./strings.ts";
import { dot, transcript } from "./transcript.ts";
import { wave } from "./wave.ts";

const RATES = [0.75, 1, 1.25, 1.5, 2];

/** What was heard in a recording: wave form, player, text. */
export function resultView(recording: Recording): HTMLElement {
  const player = new Player(recording);
  const { progress, segments, duration, done } = recording;
  let before = progress.peek().kind;
  effect(() => {
    const { kind } = progress.value;
    if (kind !== before && kind === "done") announce(t().announceDone(recording.name));
    before = kind;
  });
  return h(
    "article",
    { class: "result", "aria-label": recording.name },
    h(
      "div",
      { class: "stage" },
      h(
        "div",
        { class: "title" },
        h("h2", {}, recording.name),
        h("p", { class: "meta" }, () => about(recording)),
      ),
      wave(recording, player),
      h(
        "div",
        { class: "controls" },
        playButton(player),
        h(
          "span",
          { class: "clock" },
          () => clockOf(player.time.value),
          " / ",
          () => clockOf(duration.value),
        ),
        rateSelect(player),
        saveButtons(() => recording),
      ),
      legend(recording),
      speakerLegend(recording, () => void keep(recording)),
      () => soundProblem(recording, player),
      () => {
        if (!isOpen(recording)) return null;
        const share = () => (duration.value > 0 ? Math.min(1, done.value / duration.value) : undefined);
        const bar = h("progress", { max: 1, "aria-label": () => t().progress });
        effect(() => {
          const value = share();
          if (value === undefined) bar.removeAttribute("value");
          else bar.value = value;
        });
        return h(
          "div",
          { class: "working" },
          bar,
          h("span", {}, () => (share() === undefined ? "" : percentOf(share() ?? 0))),
          h("button", { type: "button", class: "small", onclick: () => cancel(recording) }, () => t().cancel),
        );
      },
    ),
    () => outcome(recording),
    () => (segments.value.length > 0 ? null : emptyText(recording)),
    transcript({ recording, player, onEdit: () => void keep(recording) }),
    player.element,
  );
}

function cancel(recording: Recording): void {
  recording.cancel();
  if (recording.segments.peek().length > 0) void keep(recording);
}

function about(recording: Recording): string {
  const { kind } = recording.progress.value;
  const speed = recording.speed.value;
  const parts = [
    clockOf(recording.duration.value),
    speed && t().realTime(speedOf(speed)),
    kind === "done" ? recording.by.value : t().states[kind],
  ];
  return parts.filter(Boolean).join(" · ");
}

function emptyText(recording: Recording): HTMLElement | null {
  if (recording.progress.value.kind !== "done") return null;
  return h("p", { class: "none" }, () => t().nothingHeard);
}

function outcome(recording: Recording): HTMLElement | null {
  const progress = recording.progress.value;
  const again = recording.sound.value && {
    label: () => t().tryAgain,
    act: () => retry(recording),
  };
  if (progress.kind === "failed") return problemBox(progress.problem, again, recording.segments.peek().length > 0);
  if (progress.kind !== "cancelled") return null;
  return h(
    "div",
    { class: "box" },
    h("p", {}, () => t().cancelledKept),
    again && h("button", { type: "button", onclick: again.act }, icon("retry"), again.label),
  );
}

/** Of an earlier visit the sound is not there; or it cannot be played. */
function soundProblem(recording: Recording, player: Player): HTMLElement | null {
  if (player.unplayable.value) return h("p", { class: "hint" }, () => t().unplayable);
  if (recording.sound.value) return null;
  const input = h("input", {
    type: "file",
    hidden: true,
    onchange: () => {
      const [file] = input.files ?? [];
      if (file) recording.sound.value = file;
    },
  });
  return h(
    "p",
    { class: "hint" },
    () => t().soundGone,
    " ",
    h("button", { type: "button", class: "link", onclick: () => input.click() }, () => t().chooseSound),
    input,
  );
}

function playButton(player: Player): HTMLElement {
  return h(
    "button",
    {
      class: "play",
      type: "button",
      "aria-label": () => (player.playing.value ? t().pause : t().play),
      disabled: () => !player.able.value,
      onclick: () => player.toggle(),
    },
    () => icon(player.playing.value ? "pause" : "play"),
  );
}

function rateSelect(player: Player): HTMLElement {
  return h(
    "select",
    {
      class: "rate",
      "aria-label": () => t().playbackSpeed,
      disabled: () => !player.able.value,
      onchange: ({ target }: { target: HTMLSelectElement }) => {
        player.element.playbackRate = Number(target.value);
      },
    },
    RATES.map((rate) => h("option", { value: rate, selected: rate === 1 }, `${rate}×`)),
  );
}

/** The emotions that were heard, and their colours. */
function legend({ segments }: Recording): HTMLElement {
  return h("ul", { class: "legend", "aria-label": () => t().emotionsHeard }, () => {
    const emotions = [...new Set(segments.value.map(({ emotion }) => emotion))];
    return emotions.map((emotion) => h("li", {}, dot(emotion), () => t().emotions[emotion]));
  });
}
