import { createHash, randomUUID } from "node:crypto";
import { accessSync, constants, type Stats, statSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { isMissing } from "../weights/file.ts";
import { follow, makeFolders } from "../weights/place.ts";
import { isRunning } from "../weights/replaceFolder.ts";
import { createAlarm, type Store } from "./cacheStore.ts";

const MAGIC = "sensevoice-result-1 ";
const HEAD_BYTES = MAGIC.length + 64 + 1;
/** A file of ours: `ab/ab12….result`. Others in the folder are neither counted nor touched. */
const RESULT = /^[\da-f]+\.result$/;
const PART = /^\.sensevoice-(\d+)-[\da-f-]{36}\.part$/;
/** Nobody is at a part for so long; the number of its process may be that of another by now. */
const PART_MS = 60_000;
const HOUR_MS = 3_600_000;

/**
 * One file for each key. mtime is when it was made, atime when it was last used: the files used longest ago go first
 * where there are more than `bytes`. Other processes may write there too; what they add is counted at the next look,
 * which is due after every eighth of `bytes`, and every hour.
 */
export async function openFolder(
  dir: string,
  { bytes: limit, maxAgeMs }: { readonly bytes: number; readonly maxAgeMs: number },
  onProblem: (message: string) => void,
): Promise<Store> {
  const reading = createAlarm(onProblem, `[cache] ${dir}: reading`);
  const writing = createAlarm(onProblem, `[cache] ${dir}: writing`);
  const pathOf = (key: string) => join(dir, key.slice(0, 2), `${key}.result`);
  let counted = 0; // bytes at the last look
  let written = 0; // bytes since then
  let looking: Promise<void> | undefined;

  /** Removes parts that were left, results that are too old, and those used longest ago while there is too much. */
  async function look(): Promise<void> {
    written = 0;
    const files: { path: string; stats: Stats }[] = [];
    const now = Date.now();
    for (const sub of await readdir(dir)) {
      const owner = PART.exec(sub)?.[1];
      if (owner) {
        const path = join(dir, sub);
        const made = (await statOf(path))?.mtimeMs ?? now;
        if (!isRunning(Number(owner)) || now - made > PART_MS) await rm(path, { force: true });
      }
      if (!/^[\da-f]{2}$/.test(sub)) continue;
      const names = await readdir(join(dir, sub)).catch((error: unknown) => {
        if (isMissing(error)) return []; // it has just been removed, or is a file
        throw error;
      });
      const ours = names.filter((name) => RESULT.test(name) && name.startsWith(sub));
      const paths = ours.map((name) => join(dir, sub, name));
      for (const [i, stats] of (await Promise.all(paths.map(statOf))).entries()) {
        if (stats?.isFile()) files.push({ path: paths[i], stats });
      }
    }
    const isOld = ({ stats }: (typeof files)[number]) => stats.mtimeMs + maxAgeMs <= now;
    const good = files.filter((file) => !isOld(file)).sort((a, b) => b.stats.atimeMs - a.stats.atimeMs);
    const gone = files.filter(isOld);
    counted = good.reduce((sum, { stats }) => sum + stats.size, 0);
    // A tenth more than must be, so that the next result does not need another look.
    for (const most = counted > limit ? 0.9 * limit : limit; counted > most; ) {
      const file = good.pop()!;
      gone.push(file);
      counted -= file.stats.size;
    }
    for (const { path } of gone) await rm(path, { force: true });
  }
  const lookOnce = () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  try {
    if (statSync(dir, { throwIfNoEntry: false })?.isFile()) throw new Error("it is a file");
    makeFolders(follow(dir));
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    await lookOnce();
  } catch (error) {
    throw new SenseVoiceError(`[cache] ${dir}: expected a folder to keep results in (${reasonOf(error)})`);
  }
  const timer = setInterval(
    () => lookOnce().catch((error) => writing.raise(reasonOf(error))),
    Math.min(Math.max(maxAgeMs, 1000), HOUR_MS),
  ).unref();

  return {
    async get(key) {
      const path = pathOf(key);
      try {
        const stats = await lstat(path);
        const leftMs = Math.min(stats.mtimeMs + maxAgeMs - Date.now(), maxAgeMs);
        const isGood = stats.isFile() && stats.size <= limit && leftMs > 0;
        const value = isGood ? unwrap(key, await readFile(path)) : undefined;
        if (value === undefined) await rm(path, { force: true });
        else await utimes(path, new Date(), stats.mtime).catch(() => {}); // another process may have just removed it
        reading.lower();
        return value === undefined ? undefined : { value, leftMs };
      } catch (error) {
        if (!isMissing(error)) reading.raise(reasonOf(error));
        return undefined;
      }
    },
    async set(key, value) {
      const [path, bytes] = [pathOf(key), wrap(key, value)];
      if (bytes.length > limit) return;
      const part = join(dir, `.sensevoice-${process.pid}-${randomUUID()}.part`);
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await writeFile(part, bytes, { flag: "wx", mode: 0o600 });
        await rename(part, path);
        written += bytes.length;
        while (counted + written > limit || written > limit / 8) await lookOnce();
        writing.lower();
      } catch (error) {
        await rm(part, { force: true }).catch(() => {});
        writing.raise(reasonOf(error));
      }
    },
    async close() {
      clearInterval(timer);
      await looking?.catch(() => {});
    },
  };
}

const statOf = (path: string) => lstat(path).catch(() => undefined);

/** The digest of key and value, then the value: a file that was cut off, changed or renamed is not taken for a result. */
function wrap(key: string, value: string): Buffer {
  const body = Buffer.from(value);
  return Buffer.concat([Buffer.from(`${MAGIC}${digest(key, body)}\n`), body]);
}

function unwrap(key: string, bytes: Buffer): string | undefined {
  const body = bytes.subarray(HEAD_BYTES);
  const head = bytes.toString("latin1", 0, HEAD_BYTES);
  return head === `${MAGIC}${digest(key, body)}\n` ? body.toString() : undefined;
}

function digest(key: string, body: Buffer): string {
  return createHash("sha256").update(`${key}\n`).update(body).digest("hex");
}
