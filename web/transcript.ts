import type { Segment } from "../src/index.ts";
import { atomsOf } from "../src/output/atoms.ts";
import { singleLine } from "../src/output/format.ts";
import { EMOTION_COLOURS } from "../src/output/tagNames.ts";
import { each, h } from "./dom.ts";
import { clockOf } from "./format.ts";
import { icon } from "./icons.ts";
import type { Player } from "./player.ts";
import { effect, Signal } from "./reactive.ts";
import type { Recording } from "./recording.ts";
import { speakerColour, speakerName } from "./speakers.ts";
import { t } from "./strings.ts";
import { EVENT_MARKS } from "./wave.ts";

/** A piece of text on the page and when it is spoken, in seconds. */
interface Spoken {
  readonly start: number;
  readonly end: number;
  readonly element: HTMLElement;
  /** Whether a space stands in front of it. */
  readonly spaced: boolean;
}

interface TranscriptOptions {
  readonly recording: Recording;
  readonly player: Player;
  /** Called once a text or a name was edited. */
  readonly onEdit: () => void;
}

/** The segments of a recording. What is spoken lights up, a click on it plays from there; each text can be edited. */
export function transcript({ recording, player, onEdit }: TranscriptOptions): HTMLElement {
  const spoken = new Map<Segment, readonly Spoken[]>();
  const list = h("ol", {
    class: "transcript",
    onclick: (event: MouseEvent) => {
      const word = (event.target as Element).closest<HTMLElement>("[data-at]");
      if (word && getSelection()?.isCollapsed !== false) player.seek(Number(word.dataset.at));
    },
  });
  const edit = (segment: Segment, text: string) => {
    const at = recording.segments.peek().indexOf(segment);
    if (text !== segment.text) {
      recording.edit(segment, text);
      onEdit();
    }
    list.children[at]?.querySelector<HTMLElement>(".edit")?.focus();
  };
  each(
    list,
    () => recording.segments.value,
    (segment) => {
      const words = wordsOf(segment);
      spoken.set(segment, words);
      return row({ segment, words, player, recording, onRename: onEdit }, (text) => edit(segment, text));
    },
  );
  let lit: HTMLElement | undefined;
  effect(() => {
    const time = player.time.value;
    const segments = recording.segments.value;
    const segment = player.able.value ? segments[lastBefore(segments, time)] : undefined;
    const words = (segment && spoken.get(segment)) ?? [];
    const word = words[lastBefore(words, time)];
    const now = word && time > 0 && time < word.end + 0.2 ? word.element : undefined;
    if (now === lit) return;
    lit?.classList.remove("lit");
    now?.classList.add("lit");
    const newRow = now?.closest("li") !== lit?.closest("li");
    if (now && newRow && player.playing.peek()) now.closest("li")?.scrollIntoView({ block: "nearest" });
    lit = now;
  });
  return list;
}

/** The last item that starts at a time or before it, −1 if there is none. */
export function lastBefore(items: readonly { readonly start: number }[], time: number): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function wordsOf(segment: Segment): Spoken[] {
  return atomsOf(singleLine(segment.text), segment).map(({ text, spaced, start, end }) => ({
    start: start / 1000,
    end: end / 1000,
    spaced,
    element: h("span", { "data-at": start / 1000 }, text),
  }));
}

interface Row {
  readonly segment: Segment;
  readonly words: readonly Spoken[];
  readonly player: Player;
  readonly recording: Recording;
  readonly onRename: () => void;
}

function row({ segment, words, player, recording, onRename }: Row, onEdit: (text: string) => void): HTMLElement {
  const editing = new Signal(false);
  const { start, emotion, events, language, speaker } = segment;
  const marks = events.filter((event) => event in EVENT_MARKS);
  const item = h(
    "li",
    { class: () => (editing.value ? "segment editing" : "segment") },
    h(
      "button",
      {
        class: "time",
        type: "button",
        "aria-label": () => t().playFrom(clockOf(start)),
        onclick: () => player.seek(start),
      },
      clockOf(start),
    ),
    h(
      "div",
      { class: "said" },
      speaker !== undefined && speakerName(recording, speaker, onRename),
      () => (editing.value ? editor(segment, onEdit, editing) : shownText(language, words)),
      h(
        "p",
        { class: "tags" },
        h("span", { class: "tag" }, dot(emotion), () => t().emotions[emotion]),
        marks.map((event) =>
          h(
            "span",
            { class: "tag" },
            h("span", { "aria-hidden": "true" }, EVENT_MARKS[event]),
            () => t().events[event],
          ),
        ),
        language !== "nospeech" && h("span", { class: "tag" }, () => t().languageName(language)),
      ),
    ),
    h(
      "button",
      {
        class: "edit icon-only",
        type: "button",
        hidden: () => editing.value,
        "aria-label": () => t().editFrom(clockOf(start)),
        title: () => t().edit,
        onclick: () => {
          editing.value = true;
          item.querySelector("textarea")?.focus();
        },
      },
      icon("edit"),
    ),
  );
  item.style.setProperty("--mood", speaker === undefined ? EMOTION_COLOURS[emotion] : speakerColour(speaker));
  return item;
}

function shownText(language: string, words: readonly Spoken[]): HTMLElement {
  if (words.length === 0) return h("p", { class: "text none" }, () => t().noText);
  return h(
    "p",
    { class: "text", lang: langOf(language) },
    words.map(({ element, spaced }) => [spaced && " ", element]),
  );
}

function editor(segment: Segment, onEdit: (text: string) => void, editing: Signal<boolean>): HTMLElement {
  const area = h("textarea", {
    lang: langOf(segment.language),
    rows: Math.max(2, Math.ceil(segment.text.length / 60)),
    "aria-label": () => t().editFrom(clockOf(segment.start)),
    onkeydown: (event: KeyboardEvent) => {
      if (event.key === "Escape") close();
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        close(area.value);
      }
    },
  });
  area.value = segment.text;
  const close = (text?: string) => {
    editing.value = false;
    onEdit(text === undefined ? segment.text : singleLine(text));
  };
  return h(
    "div",
    { class: "editor" },
    area,
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", class: "small", onclick: () => close(area.value) }, () => t().keepEdit),
      h("button", { type: "button", class: "quiet small", onclick: () => close() }, () => t().cancel),
      h("span", { class: "hint" }, () => t().editHint),
    ),
  );
}

export function dot(emotion: Segment["emotion"]): HTMLElement {
  const mark = h("span", { class: "dot", "aria-hidden": "true" });
  mark.style.background = EMOTION_COLOURS[emotion];
  return mark;
}

/** The language of a text, for its fonts and for screen readers. */
function langOf(language: string): string | undefined {
  return { zh: "zh-CN", yue: "zh-HK", en: "en", ja: "ja", ko: "ko" }[language];
}
