import { SenseVoiceError } from "../error.ts";
import type { KeptFolder, KeptRecord } from "./browserStorage.ts";
import { fieldsOf, parseJson } from "./fields.ts";
import { sha256, streamedFile } from "./httpSource.ts";
import { createQuickSum } from "./quickSum.ts";
import { type FileDigest, type ModelSource, TOKENIZER_FILE, WEIGHTS_FILE } from "./source.ts";

/** The files that belong to these configurations, as paths in the model's folder. */
export function filesOf(configs: Readonly<Record<string, string>>): Map<string, FileDigest> {
  const files = new Map<string, FileDigest>();
  for (const [path, text] of Object.entries(configs)) {
    const listed = fieldsOf(fieldsOf(parseJson(text) ?? {}).files ?? {});
    for (const name of [WEIGHTS_FILE, TOKENIZER_FILE]) {
      if (listed[name]) files.set(path.replace("config.json", name), listed[name] as FileDigest);
    }
  }
  return files;
}

/** A model, or a folder in it, that a browser keeps. Large files are compared by their quick sums. */
export function keptSource(folder: KeptFolder, record: KeptRecord, path = ""): ModelSource {
  const files = filesOf(record.configs);
  const open = async (name: string) => {
    const file = await folder.file(files.get(path + name)?.sha256 ?? "none");
    if (file) return streamedFile(file.stream(), file.size, `${record.name}/${path}${name}`);
    throw new SenseVoiceError(`[weights] ${record.name}/${path}${name}: expected a kept file, found none`);
  };
  return {
    name: record.name,
    async readFile(name, limit) {
      const text = record.configs[path + name];
      if (text !== undefined) return new TextEncoder().encode(text);
      const file = await open(name);
      if (file.size > limit) {
        throw new SenseVoiceError(
          `[weights] ${record.name}/${name}: expected at most ${limit} bytes, got ${file.size}`,
        );
      }
      const bytes = new Uint8Array(file.size);
      await file.read(bytes, 0);
      return bytes;
    },
    openFile: open,
    has: async (name) => record.configs[path + name] !== undefined || files.has(path + name),
    folder: (name) => keptSource(folder, record, `${path}${name}/`),
    createHash(file) {
      const sum = file && record.sums[file.sha256];
      if (!file || sum === undefined) return sha256();
      const quick = createQuickSum();
      return {
        update: (bytes) => quick.update(bytes),
        digest: () => (quick.digest() === sum ? file.sha256 : "another"),
      };
    },
  };
}
