import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { createEngine } from "../../src/node.ts";
import { temporaryFolder } from "../convert/folder.ts";
import { folderOf } from "../convert/speakerFolder.ts";
import { all } from "../speech/support.ts";
import { seededSpeakerTensors } from "../support/campplus.ts";
import { jsonLines } from "../support/speakers.ts";

const assets = process.env.SENSEVOICE_ASSETS ?? "";
const golden = join(assets, "../golden/spk/pipeline.jsonl");

interface Line {
  readonly key: string;
  readonly preset_spk_num: number | null;
  readonly defined: boolean;
  readonly sentence_info: readonly {
    readonly start: number;
    readonly end: number;
    readonly text: string;
    readonly spk: number;
  }[];
}

// The embeddings are those of seeded random weights: what is compared is what is made of them.
describe.skipIf(!existsSync(golden))("14 recordings whose speakers FunASR told apart", () => {
  test("sentences and their speakers, wherever the answer does not hang on chance", { timeout: 600_000 }, async () => {
    const dir = temporaryFolder();
    const folders = { vadModel: join(dir, "vad"), speakerModel: join(dir, "speaker") };
    await convertModel(join(assets, "fsmn_vad/model"), folders.vadModel, { dtype: "f32" });
    const speaker = folderOf([...seededSpeakerTensors()], "model: CAMPPlus\n");
    await convertModel(speaker, folders.speakerModel, { dtype: "f32" });
    await using engine = await createEngine({ model: "tiny", device: "cpu", weights: "f16", ...folders });
    const lines = jsonLines<Line>(golden).filter(({ defined }) => defined);
    expect(lines).toHaveLength(12);
    for (const { key, preset_spk_num: count, sentence_info: sentences } of lines) {
      const sound = join(assets, "../golden/vad", `${key}.flac`);
      const options = { speakers: count ?? true, speakerMode: "funasr", mergeSeconds: 0 } as const;
      const got = (await all(engine.transcribe(sound, options))).map(({ start, end, raw, speaker }) => [
        start,
        end,
        raw,
        speaker,
      ]);
      const expected = sentences.map(({ start, end, text, spk }) => [start / 1000, end / 1000, text, `S${spk + 1}`]);
      expect(got, `${key}, ${count ?? "any"} speakers`).toEqual(expected);
    }
  });
});
