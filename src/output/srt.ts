import { clock } from "./clock.ts";
import { type Cue, lineText } from "./cue.ts";
import { cueWriter } from "./cues.ts";
import type { Format } from "./format.ts";

const CRLF = "\r\n";

/**
 * SubRip. A speaker's first cue begins with `S1: `, which editors know for a speaker (Subtitle Edit's "Convert actors");
 * a dash would mean two speakers in one cue, which there never are. Lines end as on Windows, where the format comes from:
 * every player takes that, some nothing else.
 */
export const srt: Format = {
  extension: "srt",
  mimeType: "application/x-subrip",
  writer({ marks }) {
    let index = 0;
    const write = ({ start, end, lines }: Cue) => {
      const times = `${clock(start, ",")} --> ${clock(end, ",")}`;
      return [++index, times, ...lines.map((line) => literal(lineText(line))), "", ""].join(CRLF);
    };
    return cueWriter(marks, "", write, true);
  },
};

/** Players take `<i>` and `{\an8}` for markup and `-->` for times: an invisible word joiner keeps them as text. */
function literal(text: string): string {
  return text.replace(/<(?=[a-z/])|\{(?=\\)|--(?=>)/gi, "$&\u2060");
}
