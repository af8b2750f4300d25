import { bytesToHex } from "@noble/hashes/utils.js";
import { debug } from "../debug.ts";
import { reasonOf, SenseVoiceError } from "../error.ts";
import { untilAborted } from "../pause.ts";
import { KeptFolder, type KeptRecord, locked, noSpace, spaceLeft } from "./browserStorage.ts";
import { downloadFile, hashFile } from "./downloadFile.ts";
import type { HttpSource } from "./httpSource.ts";
import { filesOf, keptSource } from "./keptSource.ts";
import type { FileDigest, ModelSource, Progress } from "./source.ts";

const MAX_CONFIG_BYTES = 2 ** 24;
/** A server that does not say within this time what it has is not waited for where the model is kept. */
const FRESHNESS_MS = 5000;

export interface KeepRequest {
  readonly root: FileSystemDirectoryHandle;
  readonly name: string;
  /** Where the model comes from. */
  readonly remote: HttpSource;
  /** Whether what is kept is taken as it is, without a look at the server. */
  readonly offline: boolean;
  /** Throws unless the config.json of a model, or of its VAD, is as it must be. */
  readonly check: (source: ModelSource, vad: boolean) => Promise<unknown>;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Calls `use` with a model that this origin keeps, fetched before as far as it is not there. It is fresh if the server's
 * config.json is the kept one's; a server that cannot be reached changes nothing. A model that turns out to be damaged
 * is fetched again, the files that are.
 */
export async function withKeptModel<R>(request: KeepRequest, use: (source: ModelSource) => Promise<R>): Promise<R> {
  const { root, name, signal } = request;
  const keep = (doubt?: SenseVoiceError) => locked(name, "exclusive", () => keepModel(request, doubt), signal);
  const load = () =>
    locked(
      name,
      "shared",
      async () => {
        const folder = await KeptFolder.open(root, name);
        const record = await folder.record();
        if (record?.configs["config.json"] === undefined) throw new SenseVoiceError(`[models] ${name}: was removed`);
        return use(keptSource(folder, record));
      },
      signal,
    );
  await keep();
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof SenseVoiceError && error.message.startsWith("[weights]"))) throw error;
    if (!(await keep(error))) throw error; // nothing is damaged: the model is so
    return load();
  }
}

/**
 * Makes the folder hold the whole model.
 *
 * @param doubt why nothing that is there is trusted
 * @returns whether something of it is new
 */
async function keepModel(request: KeepRequest, doubt?: SenseVoiceError): Promise<boolean> {
  const { root, name, remote, offline, signal } = request;
  const folder = await KeptFolder.open(root, name);
  const record = await folder.record();
  const whole = record && (await isWhole(folder, record));
  const kept = whole && !doubt ? record : undefined;
  if (kept && offline) return false;
  let configs: Readonly<Record<string, string>>;
  try {
    configs = await untilAborted(readConfigs(request), kept ? AbortSignal.timeout(FRESHNESS_MS) : signal);
    if (kept && Object.entries(configs).every(([path, text]) => kept.configs[path] === text)) return false;
    await fetchModel(request, folder, { record, configs, doubt });
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    if (kept) {
      debug(2, () => `[models] ${name}: the kept one is used: ${reasonOf(error)}`);
      return false;
    }
    if (!doubt && (whole || !record?.configs["config.json"])) throw error;
    throw new SenseVoiceError(
      `[models] ${name}: what is kept is damaged (${doubt?.message ?? "a file is cut or missing"}) and cannot be fetched again from ${remote.name}: ${reasonOf(error)}`,
    );
  }
}

/** The server's config.json, and that of the VAD if there is one, checked. */
async function readConfigs({ remote, check }: KeepRequest): Promise<Record<string, string>> {
  const configs: Record<string, string> = {};
  for (const path of ["config.json", "vad/config.json"]) {
    const vad = path !== "config.json";
    if (vad && !(await remote.has(path))) break;
    const bytes = await remote.readFile(path, MAX_CONFIG_BYTES);
    await check({ ...remote, readFile: async () => bytes }, vad);
    configs[path] = new TextDecoder().decode(bytes);
  }
  return configs;
}

async function isWhole(folder: KeptFolder, { configs }: KeptRecord): Promise<boolean> {
  if (!("config.json" in configs)) return false;
  for (const { sha256, bytes } of filesOf(configs).values()) {
    if ((await folder.file(sha256))?.size !== bytes) return false;
  }
  return true;
}

interface Wanted {
  readonly record: KeptRecord | undefined;
  readonly configs: Readonly<Record<string, string>>;
  readonly doubt: SenseVoiceError | undefined;
}

/** Fetches the files that are missing, or that are not what they must be; then the record says that all is there. */
async function fetchModel(
  { name, remote, onProgress, signal }: KeepRequest,
  folder: KeptFolder,
  { record, configs, doubt }: Wanted,
): Promise<boolean> {
  const files = filesOf(configs);
  const sums: Record<string, number> = {};
  const missing = new Map<string, FileDigest>();
  let needed = 0;
  for (const [path, digest] of files) {
    const { sha256, bytes } = digest;
    const known = doubt ? undefined : record?.sums[sha256];
    const size = (await folder.file(sha256))?.size;
    if (size === bytes && known !== undefined) sums[sha256] = known;
    else {
      const whole = size === bytes ? await hashFile(folder, sha256) : undefined;
      if (whole && bytesToHex(whole.hash.digest()) === sha256) sums[sha256] = whole.sum.digest();
      else {
        await folder.remove(sha256);
        missing.set(path, digest);
        needed += bytes - ((await folder.file(`${sha256}.part`))?.size ?? 0);
      }
    }
  }
  const left = await spaceLeft();
  if (needed > left) throw noSpace(name, needed, left);
  await navigator.storage.persist?.().catch(() => false);
  const about = { name, address: remote.name, date: new Date().toISOString() };
  if (!record) await folder.writeRecord({ ...about, configs: {}, sums: {} });
  const total = [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  let done = total - [...missing.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  for (const [path, digest] of missing) {
    const onBytes = (bytes: number) => onProgress?.({ task: "download", done: done + bytes, total });
    const address = remote.addressOf(path);
    sums[digest.sha256] = await downloadFile({ address, digest, folder, onBytes, signal });
    done += digest.bytes;
  }
  await folder.writeRecord({ ...about, configs, sums });
  const ours = new Set(["model.json", ...Object.keys(sums)]);
  for (const other of await folder.names()) if (!ours.has(other)) await folder.remove(other);
  return missing.size > 0;
}
