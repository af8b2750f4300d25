import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { SenseVoiceError } from "../error.ts";
import type { EvalClip } from "./clip.ts";
import { isLibriSpeech, readLibriSpeech } from "./librispeech.ts";
import { parseManifest } from "./manifest.ts";
import { readText } from "./text.ts";
import { readTimit } from "./timit.ts";

const MANIFEST = "manifest.jsonl";

/**
 * The clips of a data set: a manifest in SenseVoice's format, or a folder with a `manifest.jsonl`, in LibriSpeech's
 * layout or in TIMIT's. The order is the manifest's, or that of the paths.
 *
 * @throws SenseVoiceError that begins with the path, and the line where there is one
 */
export async function readDataset(path: string): Promise<EvalClip[]> {
  const info = await stat(path).catch(() => {
    throw new SenseVoiceError(`${path}: no such file or folder`);
  });
  if (!info.isDirectory()) return parseManifest(await readText(path), path);

  const files = (await readdir(path, { recursive: true })).sort();
  if (files.includes(MANIFEST)) return readDataset(join(path, MANIFEST));
  const clips = isLibriSpeech(files) ? await readLibriSpeech(path, files) : await readTimit(path, files);
  if (clips.length > 0) return clips;
  throw new SenseVoiceError(
    `${path}: expected ${MANIFEST}, LibriSpeech's *.trans.txt with flac, or TIMIT's *.TXT with *.WAV; found none`,
  );
}
