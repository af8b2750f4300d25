import { SenseVoiceError } from "../../error.ts";
import { fieldsOf, parseJson, refuse, textField } from "../../weights/fields.ts";
import type { ModelSource } from "../../weights/source.ts";

const MAX_CONFIG_BYTES = 2 ** 24;

type CreateHash = ModelSource["createHash"];

/** The text of `config.json`: the configuration, and as `digest` the SHA-256 of its JSON without white space. */
export function configText(config: object, createHash: CreateHash): string {
  return `${JSON.stringify({ ...config, digest: digestOf(config, createHash) }, null, 2)}\n`;
}

/**
 * The configuration in the `config.json` of a model folder.
 *
 * @param parse checks what the file held
 * @throws SenseVoiceError if there is no such file, a field is wrong, or the file was changed
 */
export async function readConfig<C>(source: ModelSource, parse: (json: unknown) => C): Promise<C> {
  const text = new TextDecoder().decode(await source.readFile("config.json", MAX_CONFIG_BYTES));
  const json = parseJson(text);
  if (json === undefined) throw new SenseVoiceError(`[weights] ${source.name}/config.json: expected JSON`);
  const config = parse(json);
  const { digest: value, ...rest } = fieldsOf(json);
  const digest = { where: "config.json: digest", value };
  if (textField(digest) !== digestOf(rest, source.createHash)) {
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
