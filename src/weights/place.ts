import { mkdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { SenseVoiceError } from "../error.ts";

/** The most links that a path may lead through, as on Linux. */
const MAX_LINKS = 40;

/** Where a path leads, absolute: the links at its end are followed, even to what does not exist. */
export function follow(path: string): string {
  let place = resolve(path);
  for (let links = 0; links <= MAX_LINKS; links++) {
    try {
      place = resolve(realpathSync(dirname(place)), readlinkSync(place));
    } catch {
      return place; // no link
    }
  }
  throw new SenseVoiceError(`${path}: more than ${MAX_LINKS} links, one to the next`);
}

/**
 * The same text for all paths of one place, whatever links or mounts they go through: device and inode of the file,
 * or of the deepest folder that exists and the names below it.
 */
export function identify(path: string): string {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    const place = follow(path);
    return place === dirname(place) ? place : `${identify(dirname(place))}/${basename(place)}`;
  }
}

/** `mkdir -p`. Node's own never ends where the folder above exists but nothing can be made in it, as in /proc. */
export function makeFolders(dir: string): void {
  const isFolder = () => statSync(dir, { throwIfNoEntry: false })?.isDirectory();
  if (isFolder()) return;
  if (dir !== dirname(dir)) makeFolders(dirname(dir));
  try {
    mkdirSync(dir);
  } catch (error) {
    if (!isFolder()) throw error; // else another process has just made it
  }
}
