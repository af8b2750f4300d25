import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, type Stats, statSync } from "node:fs";
import { oneLine, quote, reasonOf, SenseVoiceError } from "../error.ts";

/** Who may ask. */
export interface Key {
  readonly name: string;
  /** Requests a minute; else what holds for all. */
  readonly perMinute?: number;
}

export interface KeyRing {
  /** The key that a bearer token is, in a time that does not depend on which it is or how much of it is right. */
  find(token: string): Key | undefined;
}

interface HashedKey extends Key {
  /** SHA-256 of the token: the file of keys opens nothing for whoever reads it. */
  readonly digest: Buffer;
}

/** How often the file is looked at, at most. */
const LOOK_MS = 1000;
const MAX_BYTES = 2 ** 20;

/**
 * Keys from a file of lines `NAME SHA256HEX [REQUESTS_PER_MINUTE]`; what follows a `#` is a comment. The file is read
 * again when it has changed, so a key can be given or taken away without a restart.
 *
 * @param onProblem is told what is wrong with a file that has changed; the keys from before hold until it is right again
 * @throws SenseVoiceError with file and line for what is wrong, also for a file without keys
 */
export function readKeys(file: string, onProblem: (message: string) => void = () => {}): KeyRing {
  let { keys, state } = readOnce(file);
  let lookedAt = performance.now();
  let problem = "";
  function look(): void {
    if (performance.now() - lookedAt < LOOK_MS) return;
    lookedAt = performance.now();
    try {
      if (state === stateOf(statSync(file))) return;
      ({ keys, state } = readOnce(file));
      problem = "";
    } catch (error) {
      const now = `${reasonOf(error)}; the keys from before still hold`;
      if (now !== problem) onProblem(now);
      problem = now;
    }
  }
  return {
    find(token) {
      look();
      const digest = sha256(token);
      let found: Key | undefined;
      for (const key of keys) if (timingSafeEqual(digest, key.digest)) found = key;
      return found && { name: found.name, perMinute: found.perMinute };
    },
  };
}

/** A new key for whoever asks, and its hash for the file. */
export function newKey(): { key: string; hash: string } {
  const key = `sv-${randomBytes(32).toString("base64url")}`;
  return { key, hash: sha256(key).toString("hex") };
}

/** Whether this can be a key's name: one word of at most 64 characters, none of them a control character, and no key. */
export function isKeyName(name: string): boolean {
  return /^(?!#|sv-[\w-]{43}$)[^\s\p{C}]{1,64}$/u.test(name);
}

/** The keys of a file as text. Throws a SenseVoiceError for the first line that is wrong. */
export function parseKeys(file: string, text: string): HashedKey[] {
  const keys = new Map<string, HashedKey>();
  const names = new Map<string, string>(); // by hash
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const words = line.replace(/(^|\s)#.*$/, "").match(/\S+/g);
    if (!words) continue;
    const [name, hash, perMinute, more] = words;
    const fail = (message: string): never => {
      throw new SenseVoiceError(`${file}:${i + 1}: ${message}`);
    };
    // What stands there instead of a name or a hash may be the key itself, so it is not shown.
    if (!isKeyName(name)) fail("expected a name of at most 64 characters as the first word");
    if (!/^[\da-f]{64}$/i.test(hash ?? ""))
      fail(`${name}: expected the key's SHA-256 in hexadecimal as the second word`);
    if (perMinute !== undefined && !/^[1-9]\d{0,8}$/.test(perMinute)) {
      fail(`${name}: expected requests a minute from 1 on, got ${quote(perMinute)}`);
    }
    if (more !== undefined) fail(`${name}: expected NAME SHA256 [REQUESTS_PER_MINUTE], got ${words.length} words`);
    const key = { name, digest: Buffer.from(hash, "hex"), perMinute: perMinute ? Number(perMinute) : undefined };
    if (keys.has(name)) fail(`${name}: there is a key of this name before`);
    const same = names.get(hash.toLowerCase());
    if (same !== undefined) fail(`${name}: this is the key of ${same}`);
    keys.set(name, key);
    names.set(hash.toLowerCase(), name);
  }
  return [...keys.values()];
}

/** The text of a file of keys; a SenseVoiceError if it cannot be read. */
export function readKeyFile(file: string): { text: string; stats: Stats } {
  try {
    const stats = statSync(file); // before the text: what comes later is seen at the next look
    if (!stats.isFile()) throw new Error("it is not a file");
    if (stats.size > MAX_BYTES) throw new Error(`expected at most ${MAX_BYTES} bytes, got ${stats.size}`);
    return { text: readFileSync(file, "utf8"), stats };
  } catch (error) {
    throw new SenseVoiceError(`${oneLine(file)}: the keys cannot be read (${reasonOf(error)})`);
  }
}

function readOnce(file: string): { keys: readonly HashedKey[]; state: string } {
  const { text, stats } = readKeyFile(file);
  const keys = parseKeys(file, text);
  if (keys.length === 0) throw new SenseVoiceError(`${file}: expected at least one key, got none`);
  return { keys, state: stateOf(stats) };
}

function stateOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [ino, size, mtimeMs, ctimeMs].join();
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
