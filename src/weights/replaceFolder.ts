import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { open, readdir } from "node:fs/promises";
import { constants } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { fieldsOf } from "./fields.ts";
import { fileError, isMissing, readJsonFile } from "./file.ts";
import { follow, identify, makeFolders } from "./place.ts";
import { TOKENIZER_FILE, WEIGHTS_FILE } from "./source.ts";

/** The files of a model folder. All others in it are the user's. */
export const MODEL_FILES: readonly string[] = ["config.json", WEIGHTS_FILE, TOKENIZER_FILE];

/** `format` in the `config.json` of the kinds of model folders there are. */
export type ModelFormat = "sensevoice" | "sensevoice-vad" | "sensevoice-speaker";

const KINDS: Readonly<Record<ModelFormat, string>> = {
  ...{ sensevoice: "a model folder", "sensevoice-vad": "a voice activity model folder" },
  "sensevoice-speaker": "a speaker model folder",
};

const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Folders that this process is filling. */
const filling = new Set<string>();

/**
 * Makes the model folder `target` whole or not at all. `write` fills `.NAME-PID-UUID.part` beside it; then the older
 * model folder, if there is one, is renamed to `.NAME-PID-UUID.old` and the new one to NAME, one system call after the
 * other. Last, other files of the older folder are moved into the new one. After a crash between the two renames
 * `recoverFolder` puts the older one back, so that whoever asks for NAME gets the old or the new model.
 */
export async function replaceFolder(
  target: string,
  write: (dir: string) => Promise<void>,
  format: ModelFormat = "sensevoice",
): Promise<void> {
  const place = await expectReplaceable(target, format);
  const part = hiddenName(place, "part");
  const giveUp = (signal: NodeJS.Signals) => {
    sweep(place, process.pid);
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, giveUp);
  filling.add(part);
  try {
    sweep(place);
    makeFolders(dirname(place));
    fs.mkdirSync(part);
    await write(part);
    for (const name of await readdir(part)) await flush(join(part, name), "r+");
    await flush(part, "r").catch(() => {}); // not every system can
    await expectReplaceable(target, format); // it may be another by now
    swap(part, place);
    await flush(dirname(place), "r").catch(() => {});
  } catch (error) {
    throw fileError(target, error);
  } finally {
    filling.delete(part);
    sweep(place);
    for (const signal of SIGNALS) process.off(signal, giveUp);
  }
}

/**
 * Throws unless there is nothing at `target`, or a model folder of this format: nothing else may be replaced.
 *
 * @returns the absolute path of the place, the links at its end followed
 */
export async function expectReplaceable(target: string, format: ModelFormat = "sensevoice"): Promise<string> {
  if (target === "") throw new SenseVoiceError("[weights] expected a folder to write, got an empty path");
  const fail = (got: string) => {
    throw new SenseVoiceError(`[weights] ${resolve(target)}: ${got}; nothing was changed`);
  };
  const place = follow(target);
  if (!recoverFolder(place)) {
    if (place !== resolve(target)) fail(`is a link to ${place}, which does not exist`);
    return place;
  }
  const config = await readJsonFile(join(place, "config.json"));
  if (fieldsOf(config).format !== format) {
    fail(`exists and is not ${KINDS[format]}`);
  }
  if (identify(place) === identify(".")) fail("is the working directory, which cannot be replaced");
  return place;
}

/**
 * Finishes what a crash cut off when `path` was replaced: puts the older folder back if there is none under its name,
 * else moves the older one's other files into the new one.
 *
 * @returns whether there is something at `path`
 */
export function recoverFolder(path: string): boolean {
  if (path === "") return false;
  const place = follow(path);
  for (const { hidden, active } of leftovers(place, "old")) {
    const newer = fs.existsSync(place);
    if (newer && (active || !fs.existsSync(join(place, "config.json")))) continue;
    try {
      settle(hidden, place);
    } catch {
      // It stays, and nothing is lost, until a process that may move it comes by.
    }
  }
  return fs.existsSync(place);
}

/** Is there a process of this number? */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // signal 0 only asks
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function hiddenName(place: string, kind: "part" | "old"): string {
  return join(dirname(place), `.${basename(place)}-${process.pid}-${randomUUID()}.${kind}`);
}

/** The hidden folders beside `place`: a `.part` may be removed, an `.old` may not. Active: its process is at it. */
function leftovers(place: string, kind: "part" | "old"): { hidden: string; pid: number; active: boolean }[] {
  const prefix = `.${basename(place)}-`;
  let names: string[] = [];
  try {
    names = fs.readdirSync(dirname(place));
  } catch {
    // There is no folder above yet, or none that may be read.
  }
  return names.flatMap((name) => {
    const [, owner, of] = /^(\d+)-[\da-f-]{36}\.(\w+)$/.exec(name.slice(prefix.length)) ?? [];
    if (!name.startsWith(prefix) || of !== kind) return [];
    const [hidden, pid] = [join(dirname(place), name), Number(owner)];
    return { hidden, pid, active: pid === process.pid ? filling.has(hidden) : isRunning(pid) };
  });
}

/** Puts `part` where `place` is, without a pause in between. Other processes may do the same: the last one stays. */
function swap(part: string, place: string): void {
  const older = fs.statSync(place, { throwIfNoEntry: false });
  if (older) fs.accessSync(place, fs.constants.W_OK); // else nothing could be moved out of it
  if (older) fs.chmodSync(part, older.mode);
  const old = hiddenName(place, "old");
  for (let attempt = 1; attempt <= 10; attempt++) {
    renameIfFree(place, old);
    try {
      if (renameIfFree(part, place)) return;
    } finally {
      settle(old, place);
    }
  }
  throw new Error("other processes keep writing there; try again later");
}

/** Puts an older folder back under its name; where there is another by now, moves its other files into that. */
function settle(old: string, place: string): void {
  if (!fs.existsSync(old) || renameIfFree(old, place)) return;
  for (const name of fs.readdirSync(old).filter((name) => !MODEL_FILES.includes(name))) {
    const [from, to] = [join(old, name), join(place, name)];
    try {
      fs.renameSync(from, fs.lstatSync(to, { throwIfNoEntry: false }) ? `${to}.${randomUUID()}` : to);
    } catch (error) {
      throw new SenseVoiceError(`${fileError(place, error).message}: ${from} could not be moved into it`);
    }
  }
  fs.renameSync(old, old.replace(/old$/, "part"));
}

/** Renames a folder; false when it does not exist or the new name is taken. */
function renameIfFree(from: string, to: string): boolean {
  try {
    fs.renameSync(from, to);
    return true;
  } catch (error) {
    if (isMissing(error) || fs.existsSync(to)) return false;
    throw error;
  }
}

/** Removes the parts beside `place` that no process is at, and those of the process `ending`. */
function sweep(place: string, ending?: number): void {
  for (const { hidden, pid, active } of leftovers(place, "part")) {
    try {
      if (!active || pid === ending) fs.rmSync(hidden, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // Left to the next sweep.
    }
  }
}

/** Waits until the disk holds a file: the older model is removed next. */
async function flush(path: string, flags: "r" | "r+"): Promise<void> {
  const file = await open(path, flags);
  await file.sync().finally(() => file.close());
}
