import { readFile, stat } from "node:fs/promises";
import { SenseVoiceError } from "../error.ts";

/** Far above any list of clips; a larger file is something else. */
const MAX_BYTES = 2 ** 28;

/** The text files that have been read: no result may go over them. */
export const textsRead = new Set<string>();

/** Reads a text file. Errors begin with its path. */
export async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) {
      throw new SenseVoiceError(`${path}: expected a text of at most ${MAX_BYTES} bytes, got ${size}`);
    }
    textsRead.add(path);
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof SenseVoiceError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? "no such file" : `cannot be read (${code ?? String(error)})`;
    throw new SenseVoiceError(`${path}: ${reason}`);
  }
}
