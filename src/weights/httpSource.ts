import { sha256 as hashOf } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { SenseVoiceError } from "../error.ts";
import type { ModelSource, SourceFile } from "./source.ts";

/** A model on a server. */
export interface HttpSource extends ModelSource {
  /** Where a file of it is. @throws SenseVoiceError if it has no such file */
  addressOf(name: string): string;
  folder(name: string): HttpSource;
}

/** A model folder on a server, `url` with or without a slash at its end. Nothing of it is kept. */
export function httpSource(url: string): HttpSource {
  const base = url.endsWith("/") ? url : `${url}/`;
  return sourceOf(url, (name) => new URL(name, base).href);
}

/** A model whose files lie wherever a bundler has put them. */
export function filesSource(name: string, addresses: ReadonlyMap<string, string>): HttpSource {
  return sourceOf(name, (file) => addresses.get(file));
}

function sourceOf(source: string, address: (name: string) => string | undefined): HttpSource {
  const addressOf = (name: string) => {
    const found = address(name);
    if (found !== undefined) return found;
    throw new SenseVoiceError(`[weights] ${source}: there is no file ${name}`);
  };
  const request = async (name: string) => {
    const at = addressOf(name);
    // An old configuration beside new weights would be a damaged model.
    const cache = name.endsWith("config.json") ? "no-cache" : "default";
    const response = await fetch(at, { cache }).catch((error: unknown) => {
      throw new SenseVoiceError(`[weights] ${at}: ${error instanceof Error ? error.message : error}`);
    });
    if (response.ok && response.body) return { response, at };
    throw new SenseVoiceError(`[weights] ${at}: expected a file, got HTTP ${response.status}`);
  };
  const open = (name: string) => request(name).then(({ response, at }) => stream(response, at));
  return {
    name: source,
    addressOf,
    async readFile(name, limit) {
      const file = await open(name);
      if (file.size > limit) {
        await file.close();
        throw new SenseVoiceError(`[weights] ${addressOf(name)}: expected at most ${limit} bytes, got ${file.size}`);
      }
      const bytes = new Uint8Array(file.size);
      await file.read(bytes, 0);
      return bytes;
    },
    openFile: open,
    // A server that is asked for what it has not got may answer with a page.
    async has(name) {
      const at = address(name);
      return at !== undefined && fetch(at, { method: "HEAD" }).then(isFile, () => false);
    },
    folder: (name) => sourceOf(`${source.replace(/\/$/, "")}/${name}`, (file) => address(`${name}/${file}`)),
    createHash: sha256,
  };
}

/** SHA-256 in hexadecimal, part by part. */
export function sha256() {
  const hash = hashOf.create();
  return { update: (bytes: Uint8Array) => hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
}

function isFile({ ok, headers }: Response): boolean {
  return ok && !headers.get("content-type")?.startsWith("text/html");
}

/** A response's body, read as it comes. One whose length is not known is taken whole. */
async function stream(response: Response, name: string): Promise<SourceFile> {
  const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
  if (length !== null) return streamedFile(response.body as ReadableStream<Uint8Array>, Number(length), name);
  const whole = await response.blob();
  return streamedFile(whole.stream(), whole.size, name);
}

/** A file whose bytes are read as they come. */
export function streamedFile(body: ReadableStream<Uint8Array>, size: number, name: string): SourceFile {
  const reader = body.getReader();
  let chunk = new Uint8Array();
  let end = 0;
  return {
    size,
    async read(target, position) {
      for (let filled = 0; filled < target.length; ) {
        const at = position + filled - (end - chunk.length);
        if (at < chunk.length) {
          const part = chunk.subarray(at, at + target.length - filled);
          target.set(part, filled);
          filled += part.length;
          continue;
        }
        const { done, value } = await reader.read().catch(() => ({ done: true as const, value: undefined }));
        if (done) throw new SenseVoiceError(`[weights] ${name}: the connection ended at byte ${end}`);
        chunk = value as Uint8Array<ArrayBuffer>;
        end += chunk.length;
      }
    },
    close: () => reader.cancel().catch(() => {}),
  };
}
