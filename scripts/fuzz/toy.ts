import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { convertModel } from "../../src/convert/convert.ts";
import { writeModelFolder } from "../../src/convert/writeModelFolder.ts";
import { SCHEMES } from "../../test/support/quantized.ts";
import { TOY, toyTensors } from "../../test/support/toyModel.ts";
import { ROOT, toyTokenizer } from "./seeds.ts";

/** Folders of models so small that loading one takes milliseconds, under `dir`. */
export interface Toys {
  /** A model as FunASR lays it out, and what it is converted into. */
  readonly funasr: string;
  readonly converted: string;
  /** A model that runs: its linear layers in f16, and in few bits of all kinds. */
  readonly toy: string;
  readonly few: string;
}

export async function makeToys(dir: string): Promise<Toys> {
  const [funasr, converted, toy, few] = ["funasr", "converted", "toy", "toy-few"].map((name) => join(dir, name));
  if (!existsSync(few)) {
    cpSync(join(ROOT, "test/convert/fixtures/funasr"), funasr, { recursive: true });
    await convertModel(funasr, converted, { dtype: "f16", name: "converted" });
    await writeModelFolder(toy, TOY, toyTokenizer(), toyTensors([undefined]));
    await writeModelFolder(few, { ...TOY, name: "few" }, toyTokenizer(), toyTensors(SCHEMES));
  }
  return { funasr, converted, toy, few };
}

/** The files of a folder by name. */
export function readFolder(dir: string): Map<string, Uint8Array> {
  return new Map(readdirSync(dir).map((name) => [name, new Uint8Array(readFileSync(join(dir, name)))]));
}

export function writeFolder(dir: string, files: ReadonlyMap<string, Uint8Array>): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(dir, name), bytes);
}
