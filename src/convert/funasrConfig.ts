import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { quote, reasonOf, SenseVoiceError } from "../error.ts";
import { type Field, fieldsOf, refuse } from "../weights/fields.ts";
import { fileError, readJsonFile, readSmallFile } from "../weights/file.ts";

/** A model's folder as ModelScope and FunASR lay it out, its `config.yaml` and `configuration.json` read. */
export interface FunasrConfig {
  readonly dir: string;
  readonly names: readonly string[];
  /** The field of `config.yaml` at a dotted path; null counts as absent, as it does in FunASR's configurations. */
  readonly at: (path: string) => Field;
  /** The path of the file that `configuration.json` has under a dotted path, or of the one named else. */
  readonly filePath: (key: string, otherwise: () => string) => string;
}

/**
 * What config.yaml must say for the model to be the one that is implemented. Where a key is absent FunASR
 * takes a default: it is the value here, except for those marked required.
 */
export interface Supported {
  readonly key: string;
  readonly value: unknown;
  readonly required: boolean;
}

const MAX_TEXT_BYTES = 2 ** 20;
const MAX_YAML_BYTES = 2 ** 15;
/** Collections opened on one line; a deep nest of them is more than the parser's stack holds. */
const MAX_NESTED = 500;

export async function readFunasrConfig(dir: string): Promise<FunasrConfig> {
  const names = await readdir(dir).catch((error: unknown) => {
    throw fileError(dir, error);
  });
  if (!names.includes("config.yaml")) {
    throw new SenseVoiceError(`[weights] ${dir}: expected a FunASR model folder, got one without config.yaml`);
  }
  const config = await readYaml(join(dir, "config.yaml"));
  const metas = valueAt(await readJsonFile(join(dir, "configuration.json")), "file_path_metas");
  return {
    dir,
    names,
    at: (path) => ({ where: `config.yaml: ${path}`, value: valueAt(config, path) }),
    filePath: (key, otherwise) => {
      const name = valueAt(metas, key) ?? otherwise();
      if (typeof name === "string" && name === basename(name) && name !== "..") return join(dir, name);
      return refuse({ where: `configuration.json: ${key}`, value: name }, "a file name");
    },
  };
}

export function expectSupported({ at }: FunasrConfig, supported: readonly Supported[]): void {
  for (const { key, value, required } of supported) {
    const { where, value: got } = at(key);
    if (got === value || (got === undefined && !required)) continue;
    throw new SenseVoiceError(`[weights] ${where}: only ${quote(value)} is supported, got ${quote(got)}`);
  }
}

export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readSmallFile(path, MAX_TEXT_BYTES));
}

/** FunASR's have 2 KB and no aliases. The parser's time grows with the square of keys and of aliases. */
async function readYaml(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readSmallFile(path, MAX_YAML_BYTES));
  const fail = (reason: string) => {
    throw new SenseVoiceError(`[weights] ${path}: ${reason}`);
  };
  if ((text.match(/[[{?]|- (?=-)/g)?.length ?? 0) > MAX_NESTED) return fail("nested too deeply");
  try {
    return parse(text, { logLevel: "error", maxAliasCount: 0 });
  } catch (error) {
    return fail(reasonOf(error).replace("Maximum call stack size exceeded", "nested too deeply").replace(/:$/, ""));
  }
}

function valueAt(root: unknown, path: string): unknown {
  let value = root;
  for (const key of path.split(".")) {
    const fields = fieldsOf(value);
    value = Object.hasOwn(fields, key) ? (fields[key] ?? undefined) : undefined;
  }
  return value;
}
