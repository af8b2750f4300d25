import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convertModel } from "../../src/convert/convert.ts";
import { CONFIG, CONFIGURATION, TOY } from "../convert/speakerFolder.ts";
import { torchSave } from "../convert/torchSave.ts";

/** A folder of the smallest speaker model there can be, with random weights: it tells voices apart by chance. Call `remove`. */
export async function makeSpeakerModel(): Promise<{ dir: string; remove: () => void }> {
  const root = mkdtempSync(join(tmpdir(), "sensevoice-test-"));
  const [source, dir] = [join(root, "funasr"), join(root, "speaker")];
  mkdirSync(source);
  writeFileSync(join(source, "campplus_cn_common.bin"), torchSave(TOY));
  writeFileSync(join(source, "config.yaml"), CONFIG);
  writeFileSync(join(source, "configuration.json"), CONFIGURATION);
  await convertModel(source, dir, { dtype: "f32", name: "toy" });
  return { dir, remove: () => rmSync(root, { recursive: true, force: true }) };
}
