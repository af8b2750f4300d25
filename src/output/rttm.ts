import { SenseVoiceError } from "../error.ts";
import type { Format } from "./format.ts";
import { hasSpeakers, stretchesOf } from "./speakers.ts";

/**
 * NIST's Rich Transcription Time Marked: a line for each stretch of a voice's speech, for scorers of diarization. Fields
 * are parted by spaces, so white space in names becomes `_`.
 *
 * @see https://web.archive.org/web/20170119114252/http://www.itl.nist.gov/iad/mig/tests/rt/2009/docs/rt09-meeting-eval-plan-v2.pdf
 *   (appendix A)
 */
export const rttm: Format = {
  extension: "rttm",
  mimeType: "text/plain",
  writer({ file = "", speakers }) {
    const name = recordingOf(file);
    let [heard, known] = [false, speakers === true];
    return {
      head: () => "",
      add(segment) {
        heard = true;
        known ||= hasSpeakers([segment]);
        return stretchesOf(segment)
          .map(({ speaker, start, end }) => {
            return `SPEAKER ${name} 1 ${start.toFixed(3)} ${(end - start).toFixed(3)} <NA> <NA> ${field(speaker)} <NA> <NA>\n`;
          })
          .join("");
      },
      end() {
        if (!heard || known) return "";
        throw new SenseVoiceError("[output] rttm: expected segments with speakers, got none: ask for speakers");
      },
    };
  },
};

/** What RTTM calls a recording: its file's name without folder and ending. */
export function recordingOf(file: string): string {
  return field(file.replace(/^.*[\\/]/, "").replace(/(?<=.)\.[^.]*$/, "")) || "sound";
}

function field(text: string): string {
  return text.replace(/[\s\p{C}]+/gu, "_");
}
