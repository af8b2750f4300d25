import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { fileError, isMissing, readJsonFile } from "./file.ts";

/**
 * Makes the model folder `target` whole or not at all: `write` fills a folder beside it, which is then renamed. An
 * older model folder there is replaced file by file; other files in it are kept.
 */
export async function replaceFolder(target: string, write: (dir: string) => Promise<void>): Promise<void> {
  await expectReplaceable(target);
  const destination = resolve(target);
  const temporary = join(dirname(destination), `.${basename(destination)}-${randomUUID()}`);
  try {
    await mkdir(temporary, { recursive: true });
    await write(temporary);
    await moveFolder(temporary, destination);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw fileError(target, error);
  }
}

/** Throws unless there is nothing at `target`, or a model folder: nothing else may be replaced. */
export async function expectReplaceable(target: string): Promise<void> {
  const config = await readJsonFile(join(target, "config.json"));
  if (config === undefined && !existsSync(target)) return;
  const format = typeof config === "object" && config && "format" in config ? config.format : undefined;
  if (format !== "sensevoice") {
    throw new SenseVoiceError(
      `[weights] ${resolve(target)}: exists and is not a model folder; nothing was changed`,
    );
  }
}

/** Puts `folder` where `target` is. Another process may be doing the same: the last one stays, whole. */
async function moveFolder(folder: string, target: string): Promise<void> {
  const old = `${folder}.old`;
  for (let attempt = 1; ; attempt++) {
    const replaced = await renameIfThere(target, old);
    if (replaced) await keepOtherFiles(old, folder);
    try {
      await rename(folder, target);
      await rm(old, { recursive: true, force: true });
      return;
    } catch (error) {
      if (replaced && !(await renameIfThere(old, target))) await rm(old, { recursive: true, force: true });
      if (attempt === 10) throw error;
    }
  }
}

/** Renames a folder; false when it is not there or when there is another in the new place. */
async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isMissing(error) || existsSync(to)) return false;
    throw error;
  }
}

async function keepOtherFiles(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    await cp(join(from, name), join(to, name), { recursive: true, force: false });
  }
}
