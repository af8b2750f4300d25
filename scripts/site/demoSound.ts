import { fileURLToPath } from "node:url";
import { concat } from "../../src/audio/pcm.ts";
import { readAudio } from "../../src/node.ts";
import { int16Of, wavOfParts } from "../../web/wav.ts";

/** Long enough to be cut, with several languages, emotions and events. */
const CLIPS = ["en", "zh-happy", "en-angry", "music", "ja", "en-applause", "zh", "ko", "applause", "yue"];
/** Seconds between two clips. */
const PAUSE = 1;

/** The page's example: clips of `samples/` one after another, as a wav file. */
export async function demoSound(): Promise<Uint8Array> {
  const parts: Float32Array[] = [];
  for (const name of CLIPS) {
    parts.push(await readAudio(fileURLToPath(new URL(`../../samples/${name}.wav`, import.meta.url))));
    parts.push(new Float32Array(PAUSE * 16_000));
  }
  const sound = await concat(parts, () => undefined);
  return new Uint8Array(await wavOfParts([int16Of(sound)]).arrayBuffer());
}
