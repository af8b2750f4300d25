/**
 * Compiles what is written in AssemblyScript: `npm run build:wasm`. The CPU kernels become three builds of one source:
 * plain SIMD, which every runtime has; relaxed SIMD, whose fused multiply-add is twice as fast where the runtime knows it
 * (Node 22 and later); and the same with tiles of twice as many rows, for a V8 that makes one vector of 256 bits of two
 * neighbours (`node --experimental-wasm-revectorize`). The features have plain SIMD, and memory of their own.
 */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const source = fileURLToPath(new URL("../src", import.meta.url));
const common = ["assembly/index.ts", "--runtime", "stub", "--optimizeLevel", "3", "--noAssert", "--enable", "simd"];
const shared = [
  "--enable",
  "threads",
  "--importMemory",
  "--noExportMemory",
  "--sharedMemory",
  "--maximumMemory",
  "65536",
];
const relaxed = [...shared, "--enable", "relaxed-simd"];

for (const [folder, file, options] of [
  ["kernels/wasm", "kernels.wasm", [...shared, "--use", "WIDE=0"]],
  ["kernels/wasm", "kernels-relaxed.wasm", [...relaxed, "--use", "WIDE=0"]],
  ["kernels/wasm", "kernels-wide.wasm", [...relaxed, "--use", "WIDE=1"]],
  ["audio", "fbank.wasm", ["--initialMemory", "1"]],
] as const) {
  const args = [...common, ...options, "--baseDir", join(source, folder), "--outFile", file];
  const { error, stderr } = await asc.main(args, {
    writeFile: (name, contents) => writeFile(join(source, folder, name), contents),
  });
  if (!error) continue;
  console.error(stderr.toString());
  process.exit(1);
}

/** Writes beside the place and renames, so that a process that reads the old file does not get half of the new one. */
function writeFile(path: string, contents: string | Uint8Array): void {
  writeFileSync(`${path}.${process.pid}`, contents);
  renameSync(`${path}.${process.pid}`, path);
}
