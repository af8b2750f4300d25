import { fieldsOf, refuse, textField } from "../../weights/fields.ts";
import type { ModelSource } from "../../weights/source.ts";
import { type ModelConfig, parseModelConfig } from "./config.ts";

type CreateHash = ModelSource["createHash"];

/** The text of `config.json`: the configuration, and as `digest` the SHA-256 of its JSON without white space. */
export function configText(config: ModelConfig, createHash: CreateHash): string {
  return `${JSON.stringify({ ...config, digest: digestOf(config, createHash) }, null, 2)}\n`;
}

/** The configuration in the JSON of such a text. Throws a SenseVoiceError if a field is wrong, or was changed. */
export function readConfig(json: unknown, createHash: CreateHash): ModelConfig {
  const config = parseModelConfig(json);
  const { digest: value, ...rest } = fieldsOf(json);
  const digest = { where: "config.json: digest", value };
  if (textField(digest) !== digestOf(rest, createHash)) {
    refuse(digest, "the file's own: it was changed; convert or download the model again");
  }
  return config;
}

/** Undefined for what is nested too deeply for JSON.stringify. */
function digestOf(config: object, createHash: CreateHash): string | undefined {
  try {
    const hash = createHash();
    hash.update(new TextEncoder().encode(JSON.stringify(config)));
    return hash.digest();
  } catch {
    return undefined;
  }
}
