import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SenseVoiceError } from "../error.ts";
import type { ModelConfig } from "../model/sensevoice/config.ts";
import { openModelFolder } from "./modelFolder.ts";
import { recoverFolder } from "./replaceFolder.ts";

/** The model that the package carries. Two folders up is the package's root, from src/ as from dist/. */
const TINY = fileURLToPath(new URL("../../weights/tiny", import.meta.url));
const SMALL_ID = "iic/SenseVoiceSmall";

/** Where downloads and converted models are kept: $SENSEVOICE_HOME, else ~/.cache/sensevoice. */
export function home(): string {
  return process.env.SENSEVOICE_HOME || join(homedir(), ".cache", "sensevoice");
}

/** The model folder that a download of `owner/name` is converted into. */
export function modelPath(id: string): string {
  return join(home(), "models", id.slice(id.lastIndexOf("/") + 1));
}

/**
 * The folder of a model: "tiny" comes with the package, "small" is the downloaded SenseVoiceSmall, anything
 * else is a folder's path. Throws a SenseVoiceError when there is none, saying how to get it.
 */
export function findModel(nameOrDir: string): string {
  if (nameOrDir === "tiny") return TINY;
  if (nameOrDir === "small") {
    const dir = modelPath(SMALL_ID);
    if (recoverFolder(dir)) return dir;
    throw new SenseVoiceError(`[weights] small: not downloaded yet; run: sensevoice download ${SMALL_ID}`);
  }
  if (recoverFolder(nameOrDir)) return nameOrDir;
  throw new SenseVoiceError(
    `[weights] ${nameOrDir}: expected "tiny", "small" or a model folder; there is no such folder`,
  );
}

/** A model at hand: its configuration, or the reason why it cannot be used. */
export interface FoundModel {
  readonly dir: string;
  readonly config?: ModelConfig;
  readonly problem?: string;
}

/** The package's own model and those under `home()`. Their weights are not read. */
export async function listModels(): Promise<FoundModel[]> {
  const models = join(home(), "models");
  const names = await readdir(models).catch(() => []);
  const dirs = names.filter((name) => !name.startsWith(".")).map((name) => join(models, name));
  return Promise.all(
    [TINY, ...dirs].map(async (dir) => {
      try {
        return { dir, config: (await openModelFolder(dir)).config };
      } catch (error) {
        if (!(error instanceof SenseVoiceError)) throw error;
        return { dir, problem: error.message };
      }
    }),
  );
}
