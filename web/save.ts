import type { FormatName } from "../src/index.ts";
import { announce } from "./announce.ts";
import { h } from "./dom.ts";
import { icon } from "./icons.ts";
import { Signal } from "./reactive.ts";
import type { Recording } from "./recording.ts";
import { withNames } from "./speakers.ts";
import { t } from "./strings.ts";

const OFFERED = ["text", "srt", "vtt", "json"] as const satisfies readonly FormatName[];

/** Buttons that save a recording's text in each format, and copy it. */
export function saveButtons(recording: () => Recording): HTMLElement {
  const copied = new Signal(false);
  const copy = async () => {
    const { text } = await written(recording(), "text");
    await copyText(text);
    copied.value = true;
    announce(t().copied);
    setTimeout(() => {
      copied.value = false;
    }, 2000);
  };
  return h(
    "div",
    { class: "save", role: "group", "aria-label": () => t().save },
    OFFERED.map((format) =>
      h(
        "button",
        {
          class: "quiet",
          type: "button",
          "aria-label": () => t().saveAs(format === "text" ? "txt" : format),
          onclick: () => download(recording(), format),
        },
        icon("download"),
        format === "text" ? "txt" : format,
      ),
    ),
    h(
      "button",
      { class: "quiet", type: "button", onclick: copy },
      () => icon(copied.value ? "check" : "copy"),
      () => (copied.value ? t().copied : t().copy),
    ),
  );
}

async function download(recording: Recording, format: FormatName): Promise<void> {
  const { text, extension, type } = await written(recording, format);
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: `${recording.name.replace(/\.\w{1,5}$/, "")}.${extension}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  announce(t().saved(`${extension}`));
}

async function written(recording: Recording, format: FormatName) {
  const { FORMATS, writeDocument } = await import("../src/output/formats.ts");
  const { extension, mimeType } = FORMATS[format];
  const duration = recording.duration.peek();
  const segments = recording.segments.peek().map((segment) => withNames(segment, recording.names.peek()));
  // As text it is for reading: no name in front of a line, no times of words.
  if (format === "text") {
    const plain = segments.map((segment) => ({ ...segment, words: null }));
    return { text: writeDocument(format, { duration, segments: plain }), extension, type: mimeType };
  }
  const about = { file: recording.name, duration: Math.round(duration * 1000) / 1000, model: recording.by.peek() };
  return { text: writeDocument(format, { ...about, segments }), extension, type: mimeType };
}

async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without the permission, as one did before there was one.
    const area = h("textarea", { class: "unseen", value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
