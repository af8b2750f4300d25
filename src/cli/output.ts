import { mkdir, writeFile } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { STDIN } from "./readInput.ts";

/**
 * The file for each input's result: NAME.txt or NAME.json in `dir`, which is made if need be.
 *
 * @throws SenseVoiceError if two results would go to one file, or one over an input, or there can be no such folder
 */
export async function outputPaths(
  files: readonly string[],
  dir: string,
  format: "text" | "json",
): Promise<string[]> {
  const taken = new Map(files.map((file) => [resolve(file), "an input"]));
  const paths = files.map((file) => {
    const name = file === STDIN ? "stdin" : basename(file, extname(file));
    const path = join(dir, `${name}.${format === "json" ? "json" : "txt"}`);
    const lost = taken.get(resolve(path));
    if (lost) throw new SenseVoiceError(`${file}: ${path} would overwrite ${lost}; rename one of them`);
    taken.set(resolve(path), `the result of ${file}`);
    return path;
  });
  await mkdir(dir, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new SenseVoiceError(`${dir}: the folder cannot be created (${error.code ?? error.message})`);
  });
  return paths;
}

export async function writeOutput(path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((error: NodeJS.ErrnoException) => {
    throw new SenseVoiceError(`${path} cannot be written (${error.code ?? error.message})`);
  });
}
