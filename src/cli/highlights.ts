import { resolve } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { type CutFormat, findPieces, formatPieces, type PieceOptions } from "../output/highlights.ts";
import { printNote } from "./messages.ts";
import { STDIN } from "./readInput.ts";
import { type ReportOptions, reportOn } from "./reports.ts";

/** As the command line gives them. */
export interface HighlightsOptions extends ReportOptions, PieceOptions {
  readonly format: CutFormat;
  readonly fps: string;
}

/** Writes the list of the pieces of recordings that are wanted. */
export async function highlights(files: readonly string[], options: HighlightsOptions): Promise<void> {
  const { format } = options;
  if (format === "concat" && files.includes(STDIN)) {
    throw new SenseVoiceError("--format concat: expected files, got standard input, which cannot be read again");
  }
  const found: ReturnType<typeof findPieces>[number][] = [];
  await reportOn(
    files,
    options,
    [],
    (heard) => {
      // ffmpeg looks for files beside its list, and takes `http:` in front for a protocol: not with a whole path.
      const file = format === "concat" ? resolve(heard.file) : heard.file;
      const pieces = findPieces({ ...heard, file }, options);
      // What a format cannot say, of all files so far, is the failure of this file alone.
      formatPieces([...found, ...pieces], [], options);
      found.push(...pieces);
      return pieces;
    },
    (lists, failed) => {
      const pieces = lists.flat();
      if (pieces.length === 0) printNote(`nothing found: no segment has ${options.only.join(" or ")}`);
      return formatPieces(pieces, failed, options);
    },
  );
}
