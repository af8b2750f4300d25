import type { Word } from "../model/sensevoice/words.ts";
import { milliseconds, shortClock } from "./clock.ts";
import { type Format, singleLine, textOf } from "./format.ts";
import { speakerPrefix } from "./speakers.ts";

/** A line for each segment that says something, `FILE: ` in front if there is a file, `S1: ` if a speaker is known, then one for each timed word. */
export const text: Format = {
  extension: "txt",
  mimeType: "text/plain",
  writer({ file, marks }) {
    const show = textOf(marks);
    const name = file === undefined ? "" : `${singleLine(file)}: `;
    return {
      head: () => "",
      add(segment) {
        const shown = singleLine(show(segment));
        return (
          shown &&
          [`${name}${speakerPrefix(segment.speaker)}${shown}`, ...(segment.words ?? []).map(wordLine)]
            .map(line)
            .join("")
        );
      },
      end: () => "",
    };
  },
};

/** `[00:01.470 --> 00:01.590] word`, as Whisper writes times. */
function wordLine({ word, start, end }: Word): string {
  return `[${shortClock(start)} --> ${shortClock(end)}] ${singleLine(word)}`;
}

/**
 * Start and end in milliseconds, the speaker if they are known, and the text of each segment, under a header. Source: WriteTSV
 * in whisper/utils.py.
 */
export const tsv: Format = {
  extension: "tsv",
  mimeType: "text/tab-separated-values",
  writer({ marks, speakers }) {
    const show = textOf(marks);
    return {
      head: () => `start\tend\t${speakers ? "speaker\t" : ""}text\n`,
      add(segment) {
        const shown = singleLine(show(segment));
        const by = speakers ? `${singleLine(segment.speaker ?? "")}\t` : "";
        return shown && line(`${milliseconds(segment.start)}\t${milliseconds(segment.end)}\t${by}${shown}`);
      },
      end: () => "",
    };
  },
};

function line(content: string): string {
  return content && `${content}\n`;
}
