import { reasonOf, SenseVoiceError } from "../error.ts";
import type { KeptFolder, KeptRecord } from "./browserStorage.ts";
import { fieldsOf, parseJson } from "./fields.ts";
import { sha256 } from "./httpSource.ts";
import { createQuickSum } from "./quickSum.ts";
import { type FileDigest, type ModelSource, type SourceFile, TOKENIZER_FILE, WEIGHTS_FILE } from "./source.ts";

/** Bytes that are read at a time. */
const WINDOW = 2 ** 22;

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
    if (file) return keptFile(file, `${record.name}/${path}${name}`);
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

/** A file that is read window by window, the next one on its way. */
function keptFile(file: File, name: string): SourceFile {
  const read = async (start: number) => new Uint8Array(await file.slice(start, start + WINDOW).arrayBuffer());
  let window = { start: -1, bytes: Promise.resolve(new Uint8Array()) };
  let ahead = window;
  const at = (start: number) => {
    const bytes = read(start);
    bytes.catch(() => {}); // whoever awaits it gets the error
    return { start, bytes };
  };
  return {
    size: file.size,
    async read(target, position) {
      for (let filled = 0; filled < target.length; ) {
        const from = position + filled;
        const start = Math.floor(from / WINDOW) * WINDOW;
        if (start !== window.start) {
          window = ahead.start === start ? ahead : at(start);
          if (start + WINDOW < file.size) ahead = at(start + WINDOW);
        }
        const bytes = await window.bytes.catch((error: unknown) => {
          throw new SenseVoiceError(`[weights] ${name}: ${reasonOf(error)}`);
        });
        const part = bytes.subarray(from - start, from - start + target.length - filled);
        if (part.length === 0) throw new SenseVoiceError(`[weights] ${name}: ends at byte ${from}`);
        target.set(part, filled);
        filled += part.length;
      }
    },
    async close() {},
  };
}
