import { randomUUID } from "node:crypto";
import { accessSync, closeSync, constants, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { follow, identify, makeFolders } from "../weights/place.ts";
import { isRunning, MODEL_FILES } from "../weights/replaceFolder.ts";

/** A model folder and the files of its model. */
export function modelPaths(dir: string): string[] {
  return [dir, ...MODEL_FILES.map((name) => join(dir, name))];
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

/** Makes the folder for results, if there is none. What a process that was killed left there is removed. */
export function makeResultFolder(dir: string): void {
  try {
    makeFolders(follow(dir));
    for (const name of readdirSync(dir)) {
      const pid = PART.exec(name)?.[1];
      if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(dir, name), { force: true });
    }
  } catch (error) {
    throw new SenseVoiceError(`${dir}: the folder cannot be created (${reason(error)})`);
  }
}

/** The name of a part: with the process that writes it. */
const PART = /^\.sensevoice-(\d+)-[0-9a-f-]{36}\.part$/;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Makes a file that a signal removes: no signal comes between the file and what removes it. Returns what undoes the latter. */
function createPart(part: string, mode?: number): () => void {
  const forget = removeAtSignals(part);
  try {
    closeSync(openSync(part, "wx", mode));
    return forget;
  } catch (error) {
    forget();
    throw error;
  }
}

/** A signal that ends the process removes the file first. Returns what undoes this. */
function removeAtSignals(path: string): () => void {
  const end = (signal: NodeJS.Signals) => {
    rmSync(path, { force: true });
    forget();
    process.kill(process.pid, signal);
  };
  const forget = () => {
    for (const signal of SIGNALS) process.off(signal, end);
  };
  for (const signal of SIGNALS) process.on(signal, end);
  return forget;
}

/** A file that is written bit by bit and takes its place when it is complete. */
export interface OutputFile {
  write(text: string): Promise<void>;
  /** Without `complete` nothing is left of it. */
  close(complete: boolean): Promise<void>;
}

/** @throws SenseVoiceError, as its functions do, if it cannot be written */
export async function openOutput(path: string): Promise<OutputFile> {
  return attempt(path, async () => {
    const older = statSync(path, { throwIfNoEntry: false });
    if (older) accessSync(path, constants.W_OK);
    // A device or a pipe takes the text itself; a folder is an error.
    const direct = older !== undefined && !older.isFile();
    const place = follow(path);
    const part = direct ? path : join(dirname(place), `.sensevoice-${process.pid}-${randomUUID()}.part`);
    const forget = direct ? () => {} : createPart(part, older?.mode);
    const file = await open(part, direct ? "w" : "r+");
    return {
      write: (text) => attempt(path, () => file.writeFile(text)),
      close: (complete) =>
        attempt(path, async () => {
          await file.close();
          if (direct) return;
          try {
            if (complete) renameSync(part, place);
          } finally {
            rmSync(part, { force: true });
            forget();
          }
        }),
    };
  });
}

/**
 * Writes a file whole or not at all. Without a text nothing is left, but it throws a SenseVoiceError if it cannot be
 * written: to learn that after long work would be too late.
 */
export async function writeOutput(path: string, text?: string): Promise<void> {
  const older = statSync(path, { throwIfNoEntry: false });
  // Opening a pipe waits for its reader.
  if (text === undefined && older && !older.isFile() && !older.isDirectory()) return;
  const file = await openOutput(path);
  let written = false;
  try {
    await file.write(text ?? "");
    written = text !== undefined;
  } finally {
    await file.close(written);
  }
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new SenseVoiceError(`${path} cannot be written (${reason(error)})`);
  }
}

function reason(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
