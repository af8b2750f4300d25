import { randomUUID } from "node:crypto";
import { open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseJson } from "./fields.ts";
import { fileError, readSmallFile } from "./file.ts";
import { home, version } from "./home.ts";
import { follow, makeFolders } from "./place.ts";
import { isRunning } from "./replaceFolder.ts";

const MAX_BYTES = 2 ** 20;
const PART = /^\.sensevoice-(\d+)-[\da-f-]{36}\.part$/;

/** Files of JSON in $SENSEVOICE_HOME/tuning: which kernels are the fastest on this machine's GPUs. */
export function tuningFiles() {
  const dir = join(home(), "tuning");
  return {
    version: version(),
    dir,
    async read(name: string): Promise<unknown> {
      const bytes = await readSmallFile(join(dir, name), MAX_BYTES).catch(() => undefined); // it can be made anew
      return bytes && parseJson(new TextDecoder().decode(bytes));
    },
    /** @throws SenseVoiceError if it cannot be written */
    async write(name: string, value: object): Promise<void> {
      const path = join(dir, name);
      const part = join(dir, `.sensevoice-${process.pid}-${randomUUID()}.part`);
      try {
        makeFolders(follow(dir));
        for (const left of await readdir(dir)) {
          const owner = PART.exec(left)?.[1];
          if (owner && !isRunning(Number(owner))) await rm(join(dir, left), { force: true });
        }
        const file = await open(part, "wx");
        await file.writeFile(`${JSON.stringify(value, null, 1)}\n`).finally(() => file.close());
        await rename(part, path);
      } catch (error) {
        await rm(part, { force: true }).catch(() => {});
        throw fileError(path, error);
      }
    },
  };
}
