import { existsSync, type Stats, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { SenseVoiceError } from "../error.ts";
import { STDIN } from "./readInput.ts";

/** A sound to be heard. */
export interface Input {
  /** Its path, or `-`. */
  readonly file: string;
  /** What its result is called, without an extension: a path in the folder for results. */
  readonly name: string;
}

/** What is taken from a folder. */
const EXTENSIONS =
  "3gp,aac,aif,aifc,aiff,amr,au,avi,caf,flac,m4a,m4b,mka,mkv,mov,mp2,mp3,mp4,mpga,oga,ogg,opus,rf64,sph,w64,wav,webm,wma,wv";

/**
 * The sounds that arguments name: a file is itself, a folder all sounds in it and below, a pattern
 * (`*`, `**`, `?`, `[…]`, `{…}`) what matches it. What comes from a folder or a pattern
 * keeps its place below, and comes once.
 *
 * @param fail is told of a folder without sounds and of a pattern that nothing matches
 */
export async function findInputs(
  args: readonly string[],
  fail: (error: unknown, arg: string) => void,
): Promise<Input[]> {
  const found: Input[] = [];
  const files = new Set<string>();
  for (const arg of args) {
    const inputs = await expand(arg).catch((error: unknown) => {
      fail(error, arg);
      return [];
    });
    for (const input of inputs) {
      if (input.file !== arg && files.has(input.file)) continue;
      files.add(input.file);
      found.push(input);
    }
  }
  return found;
}

async function expand(arg: string): Promise<Input[]> {
  if (arg === STDIN) return [{ file: arg, name: "stdin" }];
  const info = lookAt(arg);
  if (info?.isDirectory()) {
    const files = await search(`**/*.{${EXTENSIONS}}`, arg);
    if (files.length > 0) return files;
    throw new SenseVoiceError(`${arg}: expected sound files in this folder, found none`);
  }
  const pattern = arg.replaceAll("\\", "/");
  if (info || !isDynamicPattern(pattern)) return [{ file: arg, name: basename(arg, extname(arg)) }];
  const parts = pattern.split("/");
  const fixed = parts.findIndex((part) => isDynamicPattern(part));
  const above = parts.slice(0, fixed).join("/");
  // On Windows `C:` alone is the current folder of that drive.
  const folder = (/^[a-z]:$/i.test(above) ? `${above}/` : above) || (pattern.startsWith("/") ? "/" : ".");
  const files = existsSync(folder) ? await search(parts.slice(fixed).join("/"), folder) : [];
  if (files.length > 0) return files;
  throw new SenseVoiceError(`${arg}: no file matches this pattern`);
}

/** What is there; nothing also where what is above it is no folder. Whoever opens it says so. */
function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

async function search(pattern: string, folder: string): Promise<Input[]> {
  const options = { cwd: folder, caseSensitiveMatch: false, expandDirectories: false };
  return (await glob(pattern, options)).sort().map((path) => ({
    file: join(folder, path),
    name: path.slice(0, path.length - extname(path).length),
  }));
}
