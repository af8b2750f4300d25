import { SenseVoiceError } from "../error.ts";
import { fetchText, type RemoteFile } from "./fetchFile.ts";

export type Hub = "modelscope" | "huggingface";

const ENDPOINTS: Readonly<Record<Hub, string>> = {
  modelscope: "https://www.modelscope.cn",
  huggingface: "https://huggingface.co",
};

const ID = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

/**
 * The files at the top of a public repository, from the hub's own list. `endpoint` takes the place of the
 * hub's address, for a mirror. Sources of the forms: modelscope/hub/api.py (get_model_files) and
 * huggingface_hub/hf_api.py (list_repo_tree); Hugging Face gives a SHA-256 only for large (LFS) files.
 */
export async function listRepository(hub: Hub, id: string, endpoint?: string): Promise<RemoteFile[]> {
  if (!ID.test(id)) {
    throw new SenseVoiceError(
      `[download] expected a model id such as iic/SenseVoiceSmall, got ${JSON.stringify(id)}`,
    );
  }
  const base = (endpoint ?? ENDPOINTS[hub]).replace(/\/+$/, "");
  const files = hub === "modelscope" ? await listModelScope(base, id) : await listHuggingFace(base, id);
  return files.filter(({ name }) => !/[\\/]/.test(name));
}

async function listModelScope(base: string, id: string): Promise<RemoteFile[]> {
  const url = `${base}/api/v1/models/${id}/repo/files?Revision=master&Recursive=true`;
  const answer = fields(await fetchJson(url));
  const entries = fields(answer.Data).Files;
  if (!Array.isArray(entries)) return unexpected(url, answer.Message);
  return entries.map(fields).flatMap((entry) => {
    const { Path: name, Size: bytes, Sha256: hex } = entry;
    if (entry.Type === "tree") return [];
    if (typeof name !== "string" || !isSize(bytes)) return unexpected(url, entry);
    const checksum = isHex(hex, 64) ? ({ kind: "sha256", hex } as const) : undefined;
    return [
      { name, bytes, checksum, url: `${base}/models/${id}/resolve/master/${encodeURIComponent(name)}` },
    ];
  });
}

async function listHuggingFace(base: string, id: string): Promise<RemoteFile[]> {
  const url = `${base}/api/models/${id}/tree/main`;
  const entries = await fetchJson(url);
  if (!Array.isArray(entries)) return unexpected(url, fields(entries).error);
  return entries.map(fields).flatMap((entry) => {
    const { path: name, size: bytes, oid } = entry;
    const sha256 = fields(entry.lfs).oid;
    if (entry.type === "directory") return [];
    if (typeof name !== "string" || !isSize(bytes)) return unexpected(url, entry);
    const checksum = isHex(sha256, 64)
      ? ({ kind: "sha256", hex: sha256 } as const)
      : isHex(oid, 40)
        ? ({ kind: "git", hex: oid } as const)
        : undefined;
    return [{ name, bytes, checksum, url: `${base}/${id}/resolve/main/${encodeURIComponent(name)}` }];
  });
}

async function fetchJson(url: string): Promise<unknown> {
  const text = await fetchText(url);
  try {
    return JSON.parse(text);
  } catch {
    return unexpected(url, text);
  }
}

function unexpected(url: string, got: unknown): never {
  const shown = String(JSON.stringify(got)).slice(0, 100);
  throw new SenseVoiceError(`[download] ${url}: expected a list of files, got ${shown}`);
}

const fields = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
const isHex = (value: unknown, digits: number): value is string =>
  typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
