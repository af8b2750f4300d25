import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSpeakerFeatures } from "../../src/audio/speakerFeatures.ts";
import { peopleText, readPeople } from "../../src/cli/people.ts";
import { convertModel } from "../../src/convert/convert.ts";
import { evaluateSpeakers, formatSpeakerReport } from "../../src/eval/diarizationReport.ts";
import { parseRttm, parseUem } from "../../src/eval/rttm.ts";
import { referenceBackend } from "../../src/kernels/reference/backend.ts";
import { parseSpeakerConfig } from "../../src/model/campplus/config.ts";
import { loadSpeaker } from "../../src/model/campplus/open.ts";
import { readConfig } from "../../src/model/sensevoice/configFile.ts";
import { labelsOf } from "../../src/speakers/known.ts";
import { checkSpeakers } from "../../src/speech/speakerOptions.ts";
import { folderSource } from "../../src/weights/folderSource.ts";
import { CONFIG, CONFIGURATION, TOY } from "../../test/convert/speakerFolder.ts";
import { torchSave } from "../../test/convert/torchSave.ts";
import { fixDigests } from "./checksums.ts";
import { Finding } from "./judge.ts";
import { type Seed, textSeed } from "./seeds.ts";
import { canonical, expectFinite, type Target } from "./target.ts";
import { readFolder, writeFolder } from "./toy.ts";

const PEOPLE = [
  { name: "Jane", embeddings: [Float32Array.of(0.6, -0.8, 0), Float32Array.of(0.5, -0.5, 0.1)] },
  { name: "王小明", embeddings: [Float32Array.of(1e-3, 0, 1)] },
];
const CENTRES = [Float32Array.of(3, -4, 0), Float32Array.of(0, 0, 2)];

const RTTM = `;; a comment
SPKR-INFO talk 1 <NA> <NA> <NA> unknown A <NA>
SPEAKER talk 1 0.25 3.5 <NA> <NA> A <NA> <NA>
SPEAKER talk 1 3.00 2.125 <NA> <NA> B <NA> <NA>
SPEAKER more 1 10 1. <NA> <NA> A <NA>
`;
const UEM = "# scored\ntalk 1 0.5 4.75\nmore 1 0 20\n";

/** A speaker model of the smallest sizes, as FunASR lays it out and as it is converted. */
async function makeSpeaker(dir: string): Promise<{ funasr: string; converted: string }> {
  const [funasr, converted] = ["speaker-funasr", "speaker"].map((name) => join(dir, name));
  if (!existsSync(converted)) {
    const encode = (text: string) => new Uint8Array(Buffer.from(text));
    const files = { "config.yaml": encode(CONFIG), "configuration.json": encode(CONFIGURATION) };
    writeFolder(funasr, new Map(Object.entries({ ...files, "campplus_cn_common.bin": torchSave(TOY) })));
    await convertModel(funasr, converted, { dtype: "f32", name: "toy" });
  }
  return { funasr, converted };
}

const NOISE = Float32Array.from({ length: 1600 }, (_, i) => Math.sin(i * i) / 10);

/** What a folder calls a model hears in some noise. */
async function runSpeaker(dir: string): Promise<string> {
  const source = folderSource(dir);
  const backend = referenceBackend();
  try {
    const model = await loadSpeaker(backend, source, openSpeakerFeatures);
    const [embedding] = await model.embed([NOISE]);
    if (embedding.length !== model.config.embeddingSize) throw new Finding(`an embedding of ${embedding.length}`);
    model.release();
    return canonical(await readConfig(source, parseSpeakerConfig));
  } finally {
    backend.close();
  }
}

export const SPEAKER_TARGETS: readonly Target[] = [
  {
    name: "people",
    seeds: async () => [textSeed("people.json", peopleText(PEOPLE))],
    async run(bytes, _, dir) {
      const path = join(dir, "case-people.json");
      writeFileSync(path, bytes);
      const people = await readPeople(path);
      checkSpeakers({ speakers: true, people });
      for (const { name, embeddings } of people) for (const embedding of embeddings) expectFinite(name, embedding);
      return canonical([people.map(({ name, embeddings }) => [name, embeddings.length]), labelsOf(CENTRES, people)]);
    },
  },
  {
    name: "rttm",
    seeds: async () => [textSeed("ref.rttm", RTTM), textSeed("all.uem", UEM)],
    async run(bytes, seed) {
      const text = Buffer.from(bytes).toString();
      const isUem = seed?.name === "all.uem";
      const regions = parseUem(isUem ? text : UEM, "all.uem");
      const given = parseRttm(isUem ? RTTM : text, "ref.rttm");
      const known = parseRttm(RTTM, "known.rttm");
      const files = { reference: "ref.rttm", hypothesis: "hyp.rttm", uem: "all.uem" };
      for (const [reference, hypothesis] of [
        [given, known],
        [known, given],
      ]) {
        const report = evaluateSpeakers(files, { reference, hypothesis, regions });
        const wrong = report.errors.find(({ der }) => der !== null && !(der >= 0 && der < Number.POSITIVE_INFINITY));
        if (wrong) throw new Finding(`a rate of ${wrong.der}`);
        formatSpeakerReport(report, "text");
      }
      return canonical([[...given], [...regions]]);
    },
  },
  {
    name: "speaker",
    async seeds(dir) {
      const files = readFolder((await makeSpeaker(dir)).converted);
      return ["config.json", "model.safetensors"].map((name): Seed => {
        return { name, bytes: files.get(name)!, format: name.endsWith(".json") ? "text" : "mixed" };
      });
    },
    async run(bytes, seed, dir) {
      const files = readFolder((await makeSpeaker(dir)).converted).set(seed?.name ?? "config.json", bytes);
      files.set("config.json", fixDigests(files.get("config.json")!, files));
      const folder = join(dir, "case-speaker");
      rmSync(folder, { recursive: true, force: true });
      writeFolder(folder, files);
      return runSpeaker(folder);
    },
  },
  {
    name: "speaker-funasr",
    async seeds(dir) {
      const { funasr } = await makeSpeaker(dir);
      return ["config.yaml", "configuration.json"].map((name): Seed => {
        return { name, bytes: new Uint8Array(readFileSync(join(funasr, name))), format: "text" };
      });
    },
    async run(bytes, seed, dir) {
      const folder = join(dir, "case-speaker-funasr");
      for (const path of [folder, `${folder}-out`]) rmSync(path, { recursive: true, force: true });
      writeFolder(folder, readFolder((await makeSpeaker(dir)).funasr).set(seed?.name ?? "config.yaml", bytes));
      await convertModel(folder, `${folder}-out`, { dtype: "f32", name: "toy" });
      return runSpeaker(`${folder}-out`);
    },
  },
];
