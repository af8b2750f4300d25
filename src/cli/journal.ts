import { appendFileSync, existsSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { STDIN } from "./readInput.ts";

const JOURNAL = ".sensevoice-journal.jsonl";

/** What a folder of results was made from, so that an interrupted command can go on. One line of JSON for each result. */
export interface Journal {
  /** Whether this result was made from the file as it is now, with the same settings, and is there. */
  isDone(file: string, result: string): boolean;
  /** Call it once the result is complete. */
  done(file: string, result: string): void;
}

/**
 * @param dir the folder of results
 * @param settings all that results depend on but the sound
 * @param resume whether what is in the journal counts; else it begins anew
 */
export function openJournal(dir: string, settings: unknown, resume: boolean): Journal {
  const path = join(dir, JOURNAL);
  if (!resume) rmSync(path, { force: true });
  // Of several lines for a result the last counts: it may have been made again with other settings.
  const lines = new Map<string, string>();
  for (const line of resume && existsSync(path) ? readFileSync(path, "utf8").split("\n") : []) {
    const result = resultOf(line);
    if (result !== undefined) lines.set(result, line);
  }
  const lineOf = (file: string, result: string) => {
    const { size, mtimeMs } = statSync(file);
    return JSON.stringify({ file: realpathSync(file), size, mtimeMs, settings, result: relative(dir, result) });
  };
  return {
    isDone(file, result) {
      if (file === STDIN || !existsSync(file) || !existsSync(result)) return false;
      return lines.get(relative(dir, result)) === lineOf(file, result);
    },
    done(file, result) {
      if (file === STDIN) return;
      try {
        // A line that was cut off by a crash ends here.
        appendFileSync(path, `\n${lineOf(file, result)}`);
      } catch (error) {
        const reason = (error as NodeJS.ErrnoException).code ?? String(error);
        throw new SenseVoiceError(`${path} cannot be written (${reason})`);
      }
    },
  };
}

/** What a line is about; undefined for one that was cut off. */
function resultOf(line: string): string | undefined {
  try {
    return JSON.parse(line).result;
  } catch {
    return undefined;
  }
}
