import { each, h } from "./dom.ts";
import { clockOf, percentOf, speedOf } from "./format.ts";
import { icon } from "./icons.ts";
import { batch, bringBack, isOpen, recordings, remove, removed, selected } from "./queue.ts";
import type { Recording } from "./recording.ts";
import { t } from "./strings.ts";

/** Every recording with how far it is; one of them is shown. */
export function recordingList(): HTMLElement {
  const list = h("ul", { class: "recordings" });
  each(list, () => recordings.value.toReversed(), item);
  return h(
    "section",
    { class: "list", hidden: () => recordings.value.length === 0 && !removed.value, "aria-labelledby": "list-title" },
    h(
      "div",
      { class: "list-head" },
      h("h2", { id: "list-title" }, () => t().recordings),
      h("span", { class: "hint", role: "status" }, () => batchText()),
    ),
    list,
    undo(),
  );
}

function undo(): HTMLElement {
  return h(
    "p",
    { class: "undo hint", role: "status" },
    () =>
      removed.value && [
        t().removed(removed.value.name),
        " ",
        h("button", { type: "button", class: "link", onclick: bringBack }, () => t().undo),
      ],
  );
}

/** "2 of 5 done", where there is more than one. */
function batchText(): string {
  const all = batch.value;
  const done = all.filter((recording) => !isOpen(recording)).length;
  return all.length > 1 ? t().batch(done, all.length) : "";
}

function item(recording: Recording): HTMLElement {
  const { progress, duration, done, speed } = recording;
  const share = () => (duration.value > 0 ? Math.min(1, done.value / duration.value) : 0);
  const state = () => {
    const { kind } = progress.value;
    if (kind === "working") {
      const fast = speed.value && t().realTime(speedOf(speed.value));
      return [percentOf(share()), fast].filter(Boolean).join(" · ");
    }
    return kind === "done" ? clockOf(duration.value) : t().states[kind];
  };
  const bar = h("span", { class: "bar", "aria-hidden": "true", hidden: () => progress.value.kind !== "working" });
  const element = h(
    "li",
    { class: () => `recording ${progress.value.kind}` },
    h(
      "button",
      {
        type: "button",
        class: "open",
        "aria-current": () => (selected.value === recording ? "true" : undefined),
        onclick: () => {
          selected.value = recording;
        },
      },
      h("span", { class: "name" }, recording.name),
      h("span", { class: "state" }, state),
      () => {
        bar.style.setProperty("--done", String(share()));
        return bar;
      },
    ),
    h(
      "button",
      {
        type: "button",
        class: "icon-only",
        "aria-label": () => (isOpen(recording) ? t().cancelNamed(recording.name) : t().removeNamed(recording.name)),
        onclick: () => (isOpen(recording) ? recording.cancel() : remove(recording)),
      },
      icon("close"),
    ),
  );
  return element;
}
