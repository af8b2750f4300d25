import { cpSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readFunasrConfig } from "../../src/convert/funasrConfig.ts";
import { readFunasrFolder } from "../../src/convert/funasrFolder.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { fixture, temporaryFolder } from "./folder.ts";

/** Makes a file so large that its last byte is one too many; what it holds then is no matter. */
const read = async (dir: string) => readFunasrFolder(await readFunasrConfig(dir));
const oneTooMany = (name: string, limit: number) => (dir: string) => truncateSync(join(dir, name), limit + 1);

test.each<[string, (dir: string) => void, RegExp]>([
  ["tokens.json of 16 MiB and a byte", oneTooMany("tokens.json", 2 ** 24), /at most 16777216 bytes, got 16777217$/],
  [
    "am.mvn of 1 MiB and a byte",
    oneTooMany("am.mvn", 2 ** 20),
    /am\.mvn: expected at most 1048576 bytes, got 1048577$/,
  ],
  ["config.yaml of 32 KiB and a byte", oneTooMany("config.yaml", 2 ** 15), /expected at most 32768 bytes, got 32769$/],
  ["a tokenizer of 64 MiB and a byte", oneTooMany("toy.model", 2 ** 26), /at most 67108864 bytes, got 67108865$/],
  [
    "YAML with 501 lists",
    (dir) => writeFileSync(join(dir, "config.yaml"), `x: [${"[],".repeat(500)}]`),
    /config\.yaml: nested too deeply$/,
  ],
  [
    "YAML with 500 lists, which is no model",
    (dir) => writeFileSync(join(dir, "config.yaml"), `x: [${"[],".repeat(499)}]`),
    /model: only "SenseVoiceSmall" is supported, got undefined$/,
  ],
  [
    "tokens that are no list",
    (dir) => writeFileSync(join(dir, "tokens.json"), '{ "length": 7 }'),
    /^\[weights\] tokens\.json: expected an array of tokens$/,
  ],
  [
    "no tokenizer that is named, and two to choose from",
    (dir) => {
      rmSync(join(dir, "configuration.json"));
      writeFileSync(join(dir, "other.model"), "x");
    },
    /expected one SentencePiece \*\.model file, got .*\.model, .*\.model$/,
  ],
])("is refused: %s", async (_, change, message) => {
  const dir = join(temporaryFolder(), "source");
  cpSync(fixture("funasr"), dir, { recursive: true });
  change(dir);
  await expect(read(dir)).rejects.toThrow(SenseVoiceError);
  await expect(read(dir)).rejects.toThrow(message);
});

test("what is read of a folder as FunASR lays it out", async () => {
  const folder = await read(fixture("funasr"));
  expect(folder).toMatchObject({
    checkpoint: join(fixture("funasr"), "model.pt"),
    encoder: { inputSize: 6, outputSize: 8, attentionHeads: 2, linearUnits: 12, numBlocks: 2, tpBlocks: 1 },
    tokenCount: 7,
  });
});
