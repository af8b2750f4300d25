import { existsSync } from "node:fs";
import { join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import { isMissing, openFile, readExactly, readSmallFile, sha256 } from "./file.ts";
import type { ModelSource } from "./source.ts";

/** A model folder on disk. */
export function folderSource(dir: string): ModelSource {
  return {
    name: dir,
    readFile: (name, limit) =>
      readSmallFile(join(dir, name), limit).catch((error: unknown) => {
        if (name !== "config.json" || !isMissing(error)) throw error;
        throw new SenseVoiceError(`[weights] ${dir}: ${whyNoConfig(dir)}`);
      }),
    async openFile(name) {
      const path = join(dir, name);
      const { file, size } = await openFile(path);
      return {
        size,
        read: (target, position) => readExactly(file, path, target, position),
        close: () => file.close(),
      };
    },
    has: async (name) => existsSync(join(dir, name)),
    folder: (name) => folderSource(join(dir, name)),
    createHash: sha256,
  };
}

function whyNoConfig(dir: string): string {
  if (!existsSync(dir)) return "there is no such folder";
  if (existsSync(join(dir, "config.yaml")) || existsSync(join(dir, "model.pt"))) {
    return `this is a FunASR folder; convert it first: sensevoice convert ${dir} --out OUT`;
  }
  return "expected a model folder, got one without config.json";
}
