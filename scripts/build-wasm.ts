/**
 * Compiles the CPU kernels: `npm run build:wasm`. Two builds of one source: plain SIMD, which every runtime has, and
 * relaxed SIMD, whose fused multiply-add is twice as fast where the runtime knows it (Node 22 and later).
 */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const folder = fileURLToPath(new URL("../src/kernels/wasm", import.meta.url));
const common = ["--runtime", "stub", "--optimizeLevel", "3", "--noAssert"];
const memory = ["--importMemory", "--noExportMemory", "--sharedMemory", "--maximumMemory", "65536"];

for (const [file, features] of [
  ["kernels.wasm", ["simd", "threads"]],
  ["kernels-relaxed.wasm", ["simd", "threads", "relaxed-simd"]],
] as const) {
  const enable = features.flatMap((feature) => ["--enable", feature]);
  const args = ["assembly/index.ts", "--baseDir", folder, "--outFile", file, ...common, ...memory, ...enable];
  const { error, stderr } = await asc.main(args, { writeFile });
  if (!error) continue;
  console.error(stderr.toString());
  process.exit(1);
}

/** Writes beside the place and renames, so that a process that reads the old file does not get half of the new one. */
function writeFile(name: string, contents: string | Uint8Array): void {
  const path = join(folder, name);
  writeFileSync(`${path}.${process.pid}`, contents);
  renameSync(`${path}.${process.pid}`, path);
}
