import { randomUUID } from "node:crypto";
import { accessSync, constants, renameSync, rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { follow, identify, makeFolders } from "../weights/place.ts";
import { MODEL_FILES } from "../weights/replaceFolder.ts";
import { STDIN } from "./readInput.ts";

/** A model folder and the files of its model. */
export function modelPaths(dir: string): string[] {
  return [dir, ...MODEL_FILES.map((name) => join(dir, name))];
}

/** The file for an input's result: NAME.txt or NAME.json in `dir`. */
export function resultPath(file: string, dir: string, format: "text" | "json"): string {
  const name = file === STDIN ? "stdin" : basename(file, extname(file));
  return join(dir, `${name}.${format === "json" ? "json" : "txt"}`);
}

/**
 * Throws a SenseVoiceError if a result would be written over what is read, or two results to one place. Paths are
 * compared by where they lead.
 *
 * @param results paths, each with what it is the result of
 */
export function expectApart(inputs: Iterable<string>, results: readonly (readonly [of: string, path: string])[]): void {
  const taken = new Map([...new Set(inputs)].map((path) => [identify(path), "an input"]));
  for (const [of, path] of results) {
    const lost = taken.get(identify(path));
    if (lost) throw new SenseVoiceError(`${of}: ${path} would overwrite ${lost}; choose another name`);
    taken.set(identify(path), `the result of ${of}`);
  }
}

/** Makes the folder for results, if there is none. */
export function makeResultFolder(dir: string): void {
  try {
    makeFolders(follow(dir));
  } catch (error) {
    throw new SenseVoiceError(`${dir}: the folder cannot be created (${reason(error)})`);
  }
}

/**
 * Writes a file whole or not at all. Without a text nothing is left, but it throws a SenseVoiceError if it cannot be
 * written: to learn that after long work would be too late.
 */
export async function writeOutput(path: string, text?: string): Promise<void> {
  try {
    const older = statSync(path, { throwIfNoEntry: false });
    if (older) accessSync(path, constants.W_OK);
    if (older && !older.isFile()) {
      // A device or a pipe takes the text itself; a folder is an error.
      if (text !== undefined || older.isDirectory()) await writeFile(path, text ?? "");
      return;
    }
    const place = follow(path);
    const part = join(dirname(place), `.sensevoice-${process.pid}-${randomUUID()}.part`);
    try {
      await writeFile(part, text ?? "", { flag: "wx", mode: older?.mode });
      if (text !== undefined) renameSync(part, place);
    } finally {
      rmSync(part, { force: true });
    }
  } catch (error) {
    throw new SenseVoiceError(`${path} cannot be written (${reason(error)})`);
  }
}

function reason(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
