import { type ModelConfig, parseModelConfig } from "../model/sensevoice/config.ts";
import { fieldsOf, refuse, textField } from "./fields.ts";

/** The text of `config.json`: the configuration, and as `digest` the SHA-256 of its JSON without white space. */
export async function configText(config: ModelConfig): Promise<string> {
  return `${JSON.stringify({ ...config, digest: await digestOf(config) }, null, 2)}\n`;
}

/** The configuration in the JSON of such a text. Throws a SenseVoiceError if a field is wrong, or was changed. */
export async function readConfig(json: unknown): Promise<ModelConfig> {
  const config = parseModelConfig(json);
  const { digest: value, ...rest } = fieldsOf(json);
  const digest = { where: "config.json: digest", value };
  // What is nested too deeply for JSON.stringify has no digest.
  if (textField(digest) !== (await digestOf(rest).catch(() => undefined))) {
    refuse(digest, "the file's own: it was changed; convert or download the model again");
  }
  return config;
}

async function digestOf(config: object): Promise<string> {
  const sum = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(config)));
  return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
