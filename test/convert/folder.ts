import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { ModelFiles } from "../../src/model/sensevoice/modelFiles.ts";
import type { HostTensor } from "../../src/tensor/host.ts";

/** A file under test/convert/fixtures; make.py there wrote them. */
export const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** A new folder that is removed after the test. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "sensevoice-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The tensors of a folder that has none in few bits. */
export async function* floatTensors(folder: ModelFiles): AsyncGenerator<[name: string, tensor: HostTensor]> {
  for await (const [name, tensor] of folder.tensors()) {
    if (tensor.dtype === "quantized") throw new Error(`${name} is in few bits`);
    yield [name, tensor];
  }
}
