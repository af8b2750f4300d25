import { quote, SenseVoiceError } from "../error.ts";
import { fieldsOf, isCount, parseJson } from "../weights/fields.ts";
import { fetchText, type RemoteFile } from "./fetchFile.ts";

export type Hub = "modelscope" | "huggingface";

const ENDPOINTS: Readonly<Record<Hub, string>> = {
  modelscope: "https://www.modelscope.cn",
  huggingface: "https://huggingface.co",
};

const ID = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;

/**
 * The files at the top of a public repository, from the hub's own list. `endpoint` takes the place of the
 * hub's address, for a mirror. Sources of the forms: modelscope/hub/api.py (get_model_files),
 * modelscope/hub/file_download.py (get_file_download_url) and huggingface_hub/hf_api.py (list_repo_tree); Hugging Face
 * gives a SHA-256 only for large (LFS) files.
 */
export async function listRepository(hub: Hub, id: string, endpoint?: string): Promise<RemoteFile[]> {
  if (!ID.test(id)) {
    throw new SenseVoiceError(`[download] expected a model id such as iic/SenseVoiceSmall, got ${quote(id)}`);
  }
  const base = (endpoint ?? ENDPOINTS[hub]).replace(/\/+$/, "");
  return hub === "modelscope" ? listModelScope(base, id) : listHuggingFace(base, id);
}

async function listModelScope(base: string, id: string): Promise<RemoteFile[]> {
  const repository = `${base}/api/v1/models/${id}/repo`;
  const url = `${repository}/files?Revision=master&Recursive=true`;
  const answer = fieldsOf(await fetchJson(url));
  const entries = fieldsOf(answer.Data).Files;
  if (!Array.isArray(entries)) return unexpected(url, answer.Message);
  return entries.map(fieldsOf).flatMap((entry) => {
    const { Path: name, Size: bytes, Sha256: hex } = entry;
    if (entry.Type === "tree") return [];
    if (typeof name !== "string" || !isCount(bytes)) return unexpected(url, entry);
    if (!isFileName(name)) return [];
    const checksum = isHex(hex, 64) ? ({ kind: "sha256", hex } as const) : undefined;
    const path = encodeURIComponent(name);
    // ModelScope's own client asks in the first form, its web page in the second.
    const urls = [`${repository}?Revision=master&FilePath=${path}`, `${base}/models/${id}/resolve/master/${path}`];
    return [{ name, bytes, checksum, urls }];
  });
}

async function listHuggingFace(base: string, id: string): Promise<RemoteFile[]> {
  const url = `${base}/api/models/${id}/tree/main`;
  const entries = await fetchJson(url);
  if (!Array.isArray(entries)) return unexpected(url, fieldsOf(entries).error);
  return entries.map(fieldsOf).flatMap((entry) => {
    const { path: name, size: bytes, oid } = entry;
    const sha256 = fieldsOf(entry.lfs).oid;
    if (entry.type === "directory") return [];
    if (typeof name !== "string" || !isCount(bytes)) return unexpected(url, entry);
    if (!isFileName(name)) return [];
    const checksum = isHex(sha256, 64)
      ? ({ kind: "sha256", hex: sha256 } as const)
      : isHex(oid, 40)
        ? ({ kind: "git", hex: oid } as const)
        : undefined;
    return [{ name, bytes, checksum, urls: [`${base}/${id}/resolve/main/${encodeURIComponent(name)}`] }];
  });
}

async function fetchJson(url: string): Promise<unknown> {
  const text = await fetchText(url);
  return parseJson(text) ?? unexpected(url, text);
}

function unexpected(url: string, got: unknown): never {
  throw new SenseVoiceError(`[download] ${url}: expected a list of files, got ${quote(got)}`);
}

/** The name of a file at the top of the repository, without characters that have no place in a name or an address. */
const isFileName = (name: string) => !/[\\/\p{Cc}\p{Cs}]/u.test(name);
const isHex = (value: unknown, digits: number): value is string =>
  typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
