import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { convertModel } from "../../src/convert/convert.ts";
import { openModel } from "../../src/model/sensevoice/modelFiles.ts";
import { createTokenizer } from "../../src/model/sensevoice/tokenizer.ts";
import { createEngine } from "../../src/node.ts";
import { asF32 } from "../../src/tensor/f16.ts";
import { dequantize } from "../../src/tensor/quantized.ts";
import { folderSource } from "../../src/weights/folderSource.ts";
import { openSafetensors } from "../../src/weights/safetensorsFile.ts";
import { fixDigests, fixSafetensors } from "./checksums.ts";
import { Finding } from "./judge.ts";
import { fileSeed, type Seed } from "./seeds.ts";
import { canonical, digest, expectFinite, type Target } from "./target.ts";
import { makeToys, readFolder, writeFolder } from "./toy.ts";

/** Runs a model folder in which one file is another. */
async function runFolder(dir: string): Promise<void> {
  const folder = await openModel(folderSource(dir));
  for await (const [name, tensor] of folder.tensors()) {
    expectFinite(name, tensor.dtype === "quantized" ? dequantize(tensor) : asF32(tensor));
  }
  await using engine = await createEngine({ model: dir, device: "reference" });
  if (engine.config.frontend.sampleRate !== 16000) throw new Finding("a rate other than 16 kHz was let through");
  const { duration, tokens } = await engine.run(new Float32Array(4000).fill(0.1), { timestamps: true });
  if (duration !== 0.25 || !tokens.every((id) => id < engine.config.vocabSize)) throw new Finding("a wrong answer");
}

async function toySeeds(dir: string, files: readonly string[]): Promise<Seed[]> {
  const { toy, few } = await makeToys(dir);
  return [toy, few].flatMap((folder) =>
    files.map((file): Seed => {
      const bytes = new Uint8Array(readFileSync(join(folder, file)));
      const format = file.endsWith(".json") ? "text" : file.endsWith(".safetensors") ? "mixed" : "bytes";
      return { name: `${folder.split("/").at(-1)}-${file}`, bytes, format };
    }),
  );
}

/** A copy of a folder with one file replaced, whose name is the end of the seed's. */
async function folderWith(dir: string, bytes: Uint8Array, seed: Seed | undefined, fixed: boolean): Promise<string> {
  const { toy, few } = await makeToys(dir);
  const files = readFolder(seed?.name.startsWith("toy-few") ? few : toy);
  const name = [...files.keys()].find((file) => seed?.name.endsWith(file)) ?? "config.json";
  files.set(name, bytes);
  if (fixed) files.set("config.json", fixDigests(files.get("config.json")!, files));
  const copy = join(dir, "case");
  rmSync(copy, { recursive: true, force: true });
  writeFolder(copy, files);
  return copy;
}

export const MODEL_TARGETS: readonly Target[] = [
  {
    name: "safetensors",
    seeds: (dir) => toySeeds(dir, ["model.safetensors"]),
    fix: fixSafetensors,
    async run(bytes, _, dir) {
      const path = join(dir, "case.safetensors");
      writeFileSync(path, bytes);
      const file = await openSafetensors(path);
      try {
        for (const name of file.names) await file.read(name);
        return digest(...file.names);
      } finally {
        await file.close();
      }
    },
  },
  {
    name: "model",
    seeds: (dir) => toySeeds(dir, ["model.safetensors", "tokenizer.model"]),
    async run(bytes, seed, dir) {
      await runFolder(await folderWith(dir, bytes, seed, true));
      return digest(bytes);
    },
  },
  {
    name: "config",
    seeds: (dir) => toySeeds(dir, ["config.json"]),
    fix: (bytes) => fixDigests(bytes, new Map()),
    checked: (_, fixed) => !fixed,
    async run(bytes, seed, dir) {
      const folder = await folderWith(dir, bytes, seed, false);
      await runFolder(folder);
      return canonical((await openModel(folderSource(folder))).config);
    },
  },
  {
    name: "funasr",
    async seeds(dir) {
      const files = readFolder((await makeToys(dir)).funasr);
      const texts = ["config.yaml", "configuration.json", "am.mvn", "tokens.json"];
      return texts.map((name): Seed => ({ name, bytes: files.get(name)!, format: "text" }));
    },
    async run(bytes, seed, dir) {
      const folder = join(dir, "case-funasr");
      rmSync(folder, { recursive: true, force: true });
      rmSync(`${folder}-out`, { recursive: true, force: true });
      writeFolder(folder, readFolder((await makeToys(dir)).funasr).set(seed?.name ?? "config.yaml", bytes));
      await convertModel(folder, `${folder}-out`, { dtype: "f32" });
      const { config, tensors } = await openModel(folderSource(`${folder}-out`));
      for await (const [name, tensor] of tensors()) {
        if (tensor.dtype !== "quantized") expectFinite(name, asF32(tensor));
      }
      if (config.frontend.sampleRate !== 16000) throw new Finding("a rate other than 16 kHz was let through");
      return canonical(config);
    },
  },
  {
    name: "tokenizer",
    async seeds(dir) {
      const toys = await toySeeds(dir, ["tokenizer.model"]);
      return [toys[0], fileSeed("weights/tiny/tokenizer.model")];
    },
    async run(bytes) {
      const tokenizer = createTokenizer(bytes);
      const ids = tokenizer.encode("<|zh|> ab cde 好 🙂 \ud800");
      if (!ids.every((id) => id >= 0 && id < tokenizer.size)) throw new Finding(`ids ${ids}`);
      return tokenizer.decode(Array.from({ length: tokenizer.size }, (_, id) => id));
    },
  },
];
