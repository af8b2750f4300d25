import type { Segment } from "../src/index.ts";
import { colourAt, hasSpeakers, SPEAKER_COLOURS, talkShares } from "../src/output/speakers.ts";
import { h } from "./dom.ts";
import { percentOf } from "./format.ts";
import { Signal } from "./reactive.ts";
import type { Recording } from "./recording.ts";
import { t } from "./strings.ts";

/** The colour of S1, S2, …: the same all over the page. */
export function speakerColour(speaker: string): string {
  const number = Number(/^S(\d+)$/.exec(speaker)?.[1] ?? 1);
  return colourAt(SPEAKER_COLOURS, number - 1);
}

/** A segment as it is written out: speakers have the names that they were given. */
export function withNames(segment: Segment, names: Readonly<Record<string, string>>): Segment {
  const { speaker, words } = segment;
  if (speaker === undefined) return segment;
  const nameOf = (label = speaker) => names[label] ?? label;
  return {
    ...segment,
    speaker: nameOf(),
    words: words?.map((word) => ({ ...word, speaker: nameOf(word.speaker) })) ?? null,
  };
}

/** Who speaks, each with their share of the talk; a click on a name changes it. */
export function speakerLegend(recording: Recording, onRename: () => void): HTMLElement {
  const { segments } = recording;
  const about = { "aria-label": () => t().speakersHeard, hidden: () => !hasSpeakers(segments.value) };
  return h("ul", { class: "legend speakers", ...about }, () =>
    talkShares(segments.value).map(({ speaker, share }) =>
      h("li", {}, speakerName(recording, speaker, onRename), h("span", {}, percentOf(share))),
    ),
  );
}

/** What a speaker is called: a button that becomes a field. Enter keeps, Escape leaves it as it was. */
export function speakerName(recording: Recording, speaker: string, onRename: () => void): HTMLElement {
  const editing = new Signal(false);
  const button = h(
    "button",
    {
      type: "button",
      class: "speaker",
      hidden: () => editing.value,
      "aria-label": () => t().nameSpeaker(recording.nameOf(speaker)),
      title: () => t().rename,
      onclick: () => {
        input.value = recording.names.peek()[speaker] ?? "";
        editing.value = true;
        input.focus();
      },
    },
    speakerDot(speaker),
    () => recording.nameOf(speaker),
  );
  const close = (name?: string) => {
    if (!editing.peek()) return;
    const hadFocus = document.activeElement === input;
    editing.value = false;
    if (hadFocus) button.focus();
    if (name === undefined || name === (recording.names.peek()[speaker] ?? "")) return;
    recording.rename(speaker, name);
    onRename();
  };
  const input: HTMLInputElement = h("input", {
    type: "text",
    class: "speaker-name",
    maxlength: 60,
    placeholder: speaker,
    hidden: () => !editing.value,
    "aria-label": () => t().speakerName(speaker),
    onblur: () => close(input.value.trim()),
    onkeydown: (event: KeyboardEvent) => {
      if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
      event.preventDefault(); // the button gets the focus: the key is not meant for it
      close(event.key === "Enter" ? input.value.trim() : undefined);
    },
  });
  return h("span", { class: "who" }, button, input);
}

export function speakerDot(speaker: string): HTMLElement {
  const mark = h("span", { class: "dot square", "aria-hidden": "true" });
  mark.style.background = speakerColour(speaker);
  return mark;
}
