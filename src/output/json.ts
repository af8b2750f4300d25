import type { Segment } from "../speech/segment.ts";
import { type Format, textOf } from "./format.ts";
import { talkShares } from "./speakers.ts";
import { summarise } from "./summary.ts";

/** A line for each segment, under the names of {@link Segment}, with the file's name in front if there is one. */
export const jsonl: Format = {
  extension: "jsonl",
  mimeType: "application/x-ndjson",
  writer({ file, marks }) {
    const show = textOf(marks);
    const add = (segment: Segment) => `${JSON.stringify({ file, ...segment, text: show(segment) })}\n`;
    return { head: () => "", add, end: () => "" };
  },
};

/** One object for a file, on one line: its text and raw text, what is said of the whole of it, who says how much, and its segments. */
export const json: Format = {
  extension: "json",
  mimeType: "application/json",
  writer({ file, marks }) {
    const show = textOf(marks);
    const segments: Segment[] = [];
    return {
      head: () => "",
      add(segment) {
        segments.push({ ...segment, text: show(segment) });
        return "";
      },
      end({ duration, ...rest }) {
        const joined = (texts: string[]) => texts.filter((text) => text !== "").join(" ");
        const text = joined(segments.map((segment) => segment.text));
        const raw = joined(segments.map((segment) => segment.raw));
        const shares = talkShares(segments);
        const said = { text, raw, ...summarise(segments), ...(shares.length > 0 ? { speakers: shares } : {}) };
        return `${JSON.stringify({ file, duration, ...said, ...rest, segments })}\n`;
      },
    };
  },
};
