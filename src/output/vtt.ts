import { clock, milliseconds } from "./clock.ts";
import { type Cue, lineText } from "./cue.ts";
import { cueWriter } from "./cues.ts";
import { type Format, singleLine } from "./format.ts";

/**
 * WebVTT (https://www.w3.org/TR/webvtt1/); a voice span (`<v S1>`) for each speaker; for
 * karaoke a time inside the cue in front of each word.
 */
export const vtt: Format = {
  extension: "vtt",
  mimeType: "text/vtt",
  writer({ marks, karaoke = false }) {
    return cueWriter(marks, "WEBVTT\n\n", (cue) => {
      const lines = karaoke && cue.timed ? timedLines(cue) : cue.lines.map((line) => escaped(lineText(line)));
      return `${clock(cue.start)} --> ${clock(cue.end)}\n${voice(cue)}${lines.join("\n")}\n\n`;
    });
  },
};

/** A span that goes to the cue's end needs no end tag. */
function voice({ speaker }: Cue): string {
  return speaker === undefined ? "" : `<v ${escaped(singleLine(speaker))}>`;
}

/** Times stand between the cue's start and its end, each after the one before, as WebVTT requires. */
function timedLines({ start, end, lines }: Cue): string[] {
  let last = milliseconds(start);
  return lines.map((line) =>
    line
      .map((word) => {
        const time = milliseconds(word.start);
        if (time <= last || time >= milliseconds(end)) return escaped(word.text);
        last = time;
        const space = /^ ?/.exec(word.text)![0];
        return `${space}<${clock(word.start)}>${escaped(word.text.slice(space.length))}`;
      })
      .join(""),
  );
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
