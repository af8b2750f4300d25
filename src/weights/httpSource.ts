import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { SenseVoiceError } from "../error.ts";
import type { ModelSource } from "./source.ts";

/** A model folder on a server, `url` with or without a slash at its end. Nothing of it is kept. */
export function httpSource(url: string): ModelSource {
  const base = url.endsWith("/") ? url : `${url}/`;
  const request = async (name: string) => {
    const response = await fetch(new URL(name, base)).catch((error: unknown) => {
      throw new SenseVoiceError(`[weights] ${base}${name}: ${error instanceof Error ? error.message : error}`);
    });
    if (response.ok && response.body) return response;
    throw new SenseVoiceError(`[weights] ${base}${name}: expected a file, got HTTP ${response.status}`);
  };
  return {
    name: url,
    async readFile(name, limit) {
      const file = await stream(await request(name), base + name);
      if (file.size > limit) {
        await file.close();
        throw new SenseVoiceError(`[weights] ${base}${name}: expected at most ${limit} bytes, got ${file.size}`);
      }
      const bytes = new Uint8Array(file.size);
      await file.read(bytes, 0);
      return bytes;
    },
    openFile: async (name) => stream(await request(name), base + name),
    // A server that is asked for what it has not got may answer with a page.
    has: (name) => fetch(new URL(name, base), { method: "HEAD" }).then(isFile, () => false),
    folder: (name) => httpSource(base + name),
    createHash: () => {
      const hash = sha256.create();
      return { update: (bytes) => hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
    },
  };
}

function isFile({ ok, headers }: Response): boolean {
  return ok && !headers.get("content-type")?.startsWith("text/html");
}

/** A response's body, read as it comes. */
async function stream(response: Response, name: string) {
  const length = response.headers.get("content-encoding") ? null : response.headers.get("content-length");
  const whole = length === null ? new Uint8Array(await response.arrayBuffer()) : undefined;
  const reader = whole ? undefined : response.body?.getReader();
  let chunk = whole ?? new Uint8Array();
  let end = chunk.length;
  return {
    size: whole?.length ?? Number(length),
    async read(target: Uint8Array, position: number) {
      if (whole) {
        target.set(whole.subarray(position, position + target.length));
        return;
      }
      let filled = 0;
      while (filled < target.length) {
        const at = position + filled - (end - chunk.length);
        if (at < chunk.length) {
          const part = chunk.subarray(at, at + target.length - filled);
          target.set(part, filled);
          filled += part.length;
          continue;
        }
        const { done, value } = (await reader?.read().catch(() => undefined)) ?? { done: true };
        if (done) throw new SenseVoiceError(`[weights] ${name}: the connection ended at byte ${end}`);
        chunk = value as Uint8Array<ArrayBuffer>;
        end += chunk.length;
      }
    },
    async close() {
      await reader?.cancel().catch(() => {});
    },
  };
}
