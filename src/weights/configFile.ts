import { type ModelConfig, parseModelConfig } from "../model/sensevoice/config.ts";
import { failField, fieldsOf, textField } from "./fields.ts";

/**
 * The text of `config.json`: the configuration, and as `digest` the SHA-256, in hexadecimal, of its JSON without white
 * space. With the digests of the other files in it, it is the digest of the whole folder.
 */
export async function configText(config: ModelConfig): Promise<string> {
  return `${JSON.stringify({ ...config, digest: await digestOf(config) }, null, 2)}\n`;
}

/**
 * The configuration that `configText` wrote, from its JSON.
 * @throws SenseVoiceError if a field is wrong, or the file was edited or damaged
 */
export async function readConfig(json: unknown): Promise<ModelConfig> {
  const config = parseModelConfig(json);
  const { digest: value, ...rest } = fieldsOf(json);
  const digest = { where: "config.json: digest", value };
  // A file nested too deeply to be made into text again is none of ours either.
  if (textField(digest) !== (await digestOf(rest).catch(() => undefined))) {
    failField(digest, "the file's own: it was changed; convert or download the model again");
  }
  return config;
}

/** SHA-256 of the object's JSON, its fields in the order that they have. */
async function digestOf(config: object): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(config));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
