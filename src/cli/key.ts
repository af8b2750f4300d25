import { appendFileSync, existsSync } from "node:fs";
import { quote, reasonOf, SenseVoiceError } from "../error.ts";
import { isKeyName, newKey, parseKeys, readKeyFile } from "../server/keys.ts";

/** As the command line gives them. */
export interface KeyOptions {
  readonly keys: string;
  readonly perMinute?: number;
}

/** Adds the hash of a new key to a file of keys, and prints the key, which is nowhere else. */
export function addKey(name: string, { keys: file, perMinute }: KeyOptions): void {
  if (!isKeyName(name)) {
    throw new SenseVoiceError(`expected a name of one word, at most 64 characters, no # in front, got ${quote(name)}`);
  }
  const before = existsSync(file) ? readKeyFile(file).text : "";
  if (parseKeys(file, before).some((key) => key.name === name)) {
    throw new SenseVoiceError(`${file}: there is a key of the name ${name}; remove its line, or choose another name`);
  }
  const { key, hash } = newKey();
  const line = [name, hash, perMinute].filter((word) => word !== undefined).join(" ");
  try {
    // Only whoever made the file may read it.
    appendFileSync(file, `${before === "" || before.endsWith("\n") ? "" : "\n"}${line}\n`, { mode: 0o600 });
  } catch (error) {
    throw new SenseVoiceError(`${file}: the key cannot be added (${reasonOf(error)})`);
  }
  console.log(key);
}
