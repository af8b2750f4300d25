import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { parse } from "yaml";
import { z } from "zod";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { DEVICES, TUNES, WEIGHT_TYPES } from "../options.ts";
import { fromTexts, problemOf } from "./fields.ts";
import { HASHES } from "./spool.ts";

const text = z.string().min(1);
const count = z.number().int().min(1);
const seconds = z.number().gt(0);
const list = z.array(text).default([]);
/** Bytes, or a text such as 100MB. */
const bytes = z.preprocess((value) => {
  const match = /^(\d+(?:\.\d+)?) ?([KMG]?)B?$/i.exec(String(value));
  return match ? Math.round(Number(match[1]) * 1000 ** " KMG".indexOf(match[2].toUpperCase() || " ")) : value;
}, count);

/** What every process with an engine, or in front of some, can be told. */
const common = {
  model: text.optional().describe("tiny, small or a model folder (default: small if downloaded, else tiny)"),
  device: z.enum(DEVICES).default("auto").describe("where to compute"),
  weights: z.enum(WEIGHT_TYPES).optional().describe("how to keep the weights on the device"),
  vadModel: text.optional().describe("FSMN-VAD model folder (default: MODEL/vad, else one downloaded)"),
  speakerModel: text.optional().describe("CAM++ model folder (default: MODEL/speaker, else one downloaded)"),
  threads: count.max(64).optional().describe("threads of the CPU (default: its cores)"),
  tune: z.enum(TUNES).optional().describe("time the GPU's kernels first (default: what is not known yet)"),
  concurrency: count.max(1024).default(4).describe("sounds that are heard at a time"),
  batchSeconds: seconds.default(60).describe("seconds of sound that are heard in one batch"),
  maxSeconds: seconds.default(3600).describe("longest sound that is taken, in seconds"),
  grace: seconds.default(30).describe("seconds that a stop waits for what was accepted"),
  stallSeconds: seconds
    .min(0.5)
    .default(10)
    .describe("seconds without a sign of life of a worker: others take its jobs"),
  allowWebhook: list.describe("host that may be told of finished jobs; may be repeated"),
  webhookSecret: text.optional().describe("what webhooks are signed with: whsec_BASE64"),
  logLevel: z.enum(["fatal", "error", "warn", "info", "debug", "silent"]).default("info").describe("what is logged"),
};

/** What `sensevoice serve` can be told. */
export const serveSchema = z.strictObject({
  host: text.default("127.0.0.1").describe("address to listen on"),
  port: z.number().int().min(0).max(65_535).default(8000).describe("port to listen on; 0 takes a free one"),
  ...common,
  maxQueue: z.number().int().min(0).max(100_000).default(16).describe("requests that may wait beside these"),
  maxUpload: bytes.default(100_000_000).describe("largest sound that is taken: 100MB"),
  timeout: seconds.default(600).describe("longest that a request may take, in seconds"),
  idleTimeout: seconds.default(30).describe("seconds without a byte after which an upload is given up"),
  maxLive: z.number().int().min(0).default(8).describe("live sockets that may be open"),
  itn: z.boolean().default(false).describe("write punctuation, capitals and figures in answers to OpenAI's API"),
  cache: text.default("memory").describe("where results are kept: memory, off, a folder beside it, redis://…"),
  cacheMemory: bytes.default(64_000_000).describe("results kept in memory: 64MB"),
  cacheFolder: bytes.default(1_000_000_000).describe("results kept in a folder: 1GB"),
  cacheDays: seconds.default(30).describe("days that a result is kept"),
  hash: z.enum(HASHES).default("md5").describe("what names a sound's content in the cache"),
  keys: text.optional().describe("file of API keys; see sensevoice key --help (default: everybody may)"),
  perMinute: count.optional().describe("requests a minute of a key, or of an address where there are no keys"),
  behindProxy: z.boolean().default(false).describe("take addresses from the proxy's X-Forwarded-For"),
  cors: list.describe("origin whose pages may use the service: https://example.org; may be repeated"),
  allowUrl: list.describe("host whose addresses may be given in place of sounds; may be repeated"),
  maxJobs: count.default(10_000).describe("jobs that may wait in the queue"),
  site: text
    .optional()
    .describe("folder of the page that is served at / (default: the one that comes with the package)"),
  queue: text.optional().describe("redis://… of a queue that workers serve; a model here only if --model is given"),
  config: text.optional().describe("YAML or JSON file with these options: maxQueue: 32"),
});
export type ServeConfig = z.infer<typeof serveSchema>;

/** What `sensevoice worker` can be told. */
export const workerSchema = z.strictObject({
  queue: text.describe("redis://… of the queue"),
  ...common,
  config: text.optional().describe("YAML or JSON file with these options"),
});
export type WorkerConfig = z.infer<typeof workerSchema>;

/**
 * Options from flags, else the environment (SENSEVOICE_MAX_QUEUE), else the file that `--config` names, else defaults.
 *
 * @throws SenseVoiceError that says which is wrong, and where it was given
 */
export function readConfig<S extends z.ZodObject>(
  schema: S,
  command: Command,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): z.infer<S> {
  for (const [key, field] of Object.entries(schema.shape)) command.addOption(optionOf(key, field as z.ZodType));
  command.parse(args, { from: "user" });
  const texts = (given: Iterable<readonly [string, unknown]>) => {
    const entries = [...given].filter((entry): entry is [string, string | string[] | true] => entry[1] !== undefined);
    const map = new Map(entries.map(([key, value]) => [key, value === true ? ["true"] : [value].flat()]));
    return fromTexts(schema.shape, map);
  };
  const keys = Object.keys(schema.shape);
  const flags = texts(Object.entries(command.opts()));
  const variables = texts(keys.map((key) => [key, env[variableOf(key)] || undefined] as const));
  const file = flags.config ?? variables.config;
  const values = { ...(file === undefined ? {} : readFile(String(file))), ...variables, ...flags };
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const { path, problem } = problemOf(result.error, values);
  const [key] = path.split(".");
  const where =
    key in flags ? flagOf(key) : key in variables ? variableOf(key) : file !== undefined && `${file}: ${key}`;
  throw new SenseVoiceError(`${where || flagOf(key)}: ${problem}`);
}

function optionOf(key: string, schema: z.ZodType): Option {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const value = json.type === "boolean" ? "" : json.type === "array" ? " <text...>" : ` <${json.type ?? "value"}>`;
  const shown = json.default === undefined || json.type === "array" ? "" : ` (default: ${json.default})`;
  const choices = json.enum ? `: ${json.enum.join(", ")}` : "";
  return new Option(`${flagOf(key)}${value}`, `${schema.description}${choices}${shown}`);
}

function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function variableOf(key: string): string {
  return `SENSEVOICE_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function readFile(path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parse(readFileSync(path, "utf8"), { logLevel: "error" });
  } catch (error) {
    throw new SenseVoiceError(`${path}: cannot be read (${reasonOf(error)})`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new SenseVoiceError(`${path}: expected options, name: value; got something else`);
}
