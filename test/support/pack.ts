import { execFile } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));
const LOCK = join(root, "dist.lock");
const STALE_MS = 300_000;

/** Builds and packs the package into a folder. One test file at a time: all build into the same dist/. */
export async function packPackage(folder: string): Promise<{ tarball: string; files: string[] }> {
  while (!locked()) await sleep(200);
  try {
    const args = ["pack", "--json", "--pack-destination", folder];
    const { stdout } = await promisify(execFile)("npm", args, { cwd: root, maxBuffer: 2 ** 24 });
    const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
    return { tarball: join(folder, filename), files: files.map(({ path }: { path: string }) => path) };
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

function locked(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch {
    const age = Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > STALE_MS) rmSync(LOCK, { recursive: true, force: true }); // of a process that was killed
    return false;
  }
}
