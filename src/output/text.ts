import { milliseconds } from "./clock.ts";
import { type Format, singleLine, textOf } from "./format.ts";

/** A line for each segment that says something. */
export const text: Format = {
  extension: "txt",
  mimeType: "text/plain",
  writer({ marks }) {
    const show = textOf(marks);
    return { head: () => "", add: (segment) => line(singleLine(show(segment))), end: () => "" };
  },
};

/** Start and end in milliseconds and the text of each segment, under a header. Source: WriteTSV in whisper/utils.py. */
export const tsv: Format = {
  extension: "tsv",
  mimeType: "text/tab-separated-values",
  writer({ marks }) {
    const show = textOf(marks);
    return {
      head: () => "start\tend\ttext\n",
      add(segment) {
        const shown = singleLine(show(segment));
        return shown && line(`${milliseconds(segment.start)}\t${milliseconds(segment.end)}\t${shown}`);
      },
      end: () => "",
    };
  },
};

function line(content: string): string {
  return content && `${content}\n`;
}
