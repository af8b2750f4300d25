import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeModelFolder } from "../src/convert/writeModelFolder.ts";
import { int8Copy } from "../src/int8Copy.ts";
import { loadEngine } from "../src/loadEngine.ts";
import { createEngine } from "../src/node.ts";
import { folderSource } from "../src/weights/folderSource.ts";
import { TINY } from "../src/weights/home.ts";
import type { Progress } from "../src/weights/source.ts";
import { temporaryFolder } from "./convert/folder.ts";
import { openModelFolder } from "./support/model.ts";

/** A copy of the tiny model whose weights may be others, as another version of a model has them. */
async function writeModel(dir: string, change = (x: number, _token: number) => x): Promise<void> {
  const { config, tokenizer, tensors } = await openModelFolder(TINY);
  async function* changed() {
    for await (const [name, tensor] of tensors()) {
      const bias = name === "ctc.ctc_lo.bias" && tensor.dtype === "f32";
      yield [
        name,
        bias ? { ...tensor, data: Float32Array.from(tensor.data as Float32Array, change) } : tensor,
      ] as const;
    }
  }
  await writeModelFolder(dir, config, tokenizer, changed() as never);
}

async function open(dir: string, threshold = 0) {
  const tasks = new Set<string>();
  const int8 = int8Copy(dir, threshold);
  const onProgress = ({ task }: Progress) => void tasks.add(task);
  const none = async function* () {};
  await using engine = await loadEngine(folderSource(dir), none, { device: "cpu", threads: 1, int8, onProgress });
  const { tokens, confidence } = await engine.run(new Float32Array(16000).fill(0.01));
  return { made: tasks.has("int8"), weights: engine.weights, heard: { tokens, confidence } };
}

describe("the CPU runs int8 unless told otherwise", () => {
  test.each([
    ["cpu", undefined, "int8"],
    ["cpu", "f16", "f16"],
    ["reference", undefined, "f16"],
  ] as const)("%s, weights %s: %s", async (device, weights, expected) => {
    await using engine = await createEngine({ model: "tiny", device, weights });
    expect(engine.weights).toBe(expected);
  });
});

describe("a copy in int8 is kept beside the model", () => {
  const newModel = async () => {
    const dir = join(temporaryFolder(), "model");
    await writeModel(dir);
    return { dir, weightsFile: join(dir, "int8", "model.safetensors") };
  };

  test("made once, and heard from as from a model that becomes int8 while it is loaded", async () => {
    const { dir, weightsFile } = await newModel();
    const first = await open(dir);
    expect(first).toMatchObject({ made: true, weights: "int8" });
    const { mtimeMs } = statSync(weightsFile);
    const second = await open(dir);
    expect(second).toEqual({ ...first, made: false });
    expect(statSync(weightsFile).mtimeMs).toBe(mtimeMs);
    const converted = await open(dir, Number.POSITIVE_INFINITY);
    expect(converted).toEqual({ ...first, made: false });
  });

  test("a damaged copy is made again, and the answer is right meanwhile", async () => {
    const { dir, weightsFile } = await newModel();
    const right = (await open(dir)).heard;
    const bytes = readFileSync(weightsFile);
    bytes[bytes.length - 1000] ^= 0x55;
    writeFileSync(weightsFile, bytes);
    expect((await open(dir)).heard).toEqual(right);
    expect(await open(dir)).toMatchObject({ made: true, heard: right });
    truncateSync(join(dir, "int8", "config.json"), 100);
    await expect(open(dir)).resolves.toMatchObject({ made: false, heard: right }); // not a model folder: left alone
  });

  test("another model in the same place gets another copy", async () => {
    const { dir } = await newModel();
    const before = await open(dir);
    await writeModel(dir, (x, token) => (token === 970 ? 1000 : x));
    const after = await open(dir);
    expect(after.made).toBe(true);
    expect(after.heard.tokens).not.toEqual(before.heard.tokens);
  });

  test("where none can be written the model still loads", async () => {
    const { dir } = await newModel();
    mkdirSync(join(dir, "int8"));
    writeFileSync(join(dir, "int8", "mine.txt"), "a user's");
    expect(await open(dir)).toMatchObject({ made: false, weights: "int8" });
    expect(readFileSync(join(dir, "int8", "mine.txt"), "utf8")).toBe("a user's");
  });
});
