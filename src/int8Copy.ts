import { rm } from "node:fs/promises";
import { join } from "node:path";
import { debug } from "./debug.ts";
import { SenseVoiceError } from "./error.ts";
import type { Int8Copy } from "./loadEngine.ts";
import { parseModelConfig } from "./model/sensevoice/config.ts";
import { readConfig } from "./model/sensevoice/configFile.ts";
import { folderSource } from "./weights/folderSource.ts";
import { type Progress, WEIGHTS_FILE } from "./weights/source.ts";

/** Models of fewer bytes become int8 each time they are loaded: that takes less than a second. */
const SMALL_BYTES = 64e6;

/** Where the copy in int8 of a model folder is, which the CPU runs. */
export const int8Path = (dir: string) => join(dir, "int8");

/**
 * The copy in int8 of a model folder. It is made again if the model's weights are others by now; where nothing can be
 * written, and of small models, there is none.
 */
export function int8Copy(dir: string, smallBytes = SMALL_BYTES): Int8Copy {
  const path = int8Path(dir);
  return {
    async open({ files }, { onProgress, signal }) {
      const { bytes, sha256 } = files[WEIGHTS_FILE];
      if (bytes < smallBytes) return undefined;
      const report = (progress: Progress) => {
        signal?.throwIfAborted();
        onProgress?.(progress);
      };
      try {
        if ((await madeFrom(path)) !== sha256) await makeInt8Copy(dir, report);
      } catch (error) {
        if (!(error instanceof SenseVoiceError)) throw error;
        debug(2, () => `[engine] no copy in int8 is kept: ${error.message}`);
        return undefined;
      }
      return folderSource(path);
    },
    discard: () => rm(path, { recursive: true, force: true }),
  };
}

/** Makes the copy; the task of its progress is `"int8"`. @throws SenseVoiceError if the model is damaged or quantised already, or the folder cannot be written */
export async function makeInt8Copy(dir: string, onProgress: (progress: Progress) => void): Promise<void> {
  const { quantizeFolder } = await import("./quant/quantizeFolder.ts");
  const { parsePolicy } = await import("./quant/policy.ts");
  await quantizeFolder(dir, int8Path(dir), {
    policy: parsePolicy({ name: "int8", scheme: "int8" }),
    onProgress: (progress) => onProgress({ ...progress, task: "int8" }),
  });
}

/** SHA-256 of the weights that a copy was made from; undefined where there is no whole one. */
async function madeFrom(path: string): Promise<string | undefined> {
  try {
    return (await readConfig(folderSource(path), parseModelConfig)).madeFrom;
  } catch (error) {
    if (error instanceof SenseVoiceError) return undefined;
    throw error;
  }
}
