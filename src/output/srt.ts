import { clock } from "./clock.ts";
import { lineText } from "./cue.ts";
import { cueWriter } from "./cues.ts";
import type { Format } from "./format.ts";

const CRLF = "\r\n";

/** SubRip. Lines end as on Windows, where the format comes from: every player takes that, some nothing else. */
export const srt: Format = {
  extension: "srt",
  mimeType: "application/x-subrip",
  writer({ marks }) {
    let index = 0;
    return cueWriter(marks, "", ({ start, end, lines }) => {
      const times = `${clock(start, ",")} --> ${clock(end, ",")}`;
      return [++index, times, ...lines.map((line) => literal(lineText(line))), "", ""].join(CRLF);
    });
  },
};

/** Players take `<i>` and `{\an8}` for markup and `-->` for times: an invisible word joiner keeps them as text. */
function literal(text: string): string {
  return text.replace(/<(?=[a-z/])|\{(?=\\)|--(?=>)/gi, "$&\u2060");
}
