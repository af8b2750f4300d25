/**
 * Runs a command with a GPU in software: `npm run swgpu -- COMMAND …`. SwiftShader comes out of the npm package
 * @sparticuz/chromium, which is made for Linux on x64; no root, no driver and no display are needed.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

const modules = fileURLToPath(new URL("../node_modules", import.meta.url));
const folder = join(modules, ".cache", "swiftshader");

if (!existsSync(join(folder, "libvk_swiftshader.so"))) unpack();

const [command, ...args] = process.argv.slice(2);
if (!command) {
  console.error("usage: npm run swgpu -- COMMAND …");
  process.exit(1);
}
const child = spawn(command, args, {
  stdio: "inherit",
  env: {
    ...process.env,
    VK_ICD_FILENAMES: join(folder, "vk_swiftshader_icd.json"),
    VK_DRIVER_FILES: join(folder, "vk_swiftshader_icd.json"),
    LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":"),
  },
});
child.on("error", (error) => {
  console.error(`error: cannot run ${command}: ${error.message}`);
  process.exit(127);
});
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));

/** A brotli'd tar of five plain files. Unpacked beside its place and renamed, so that two runs do not meet. */
function unpack(): void {
  const tar = brotliDecompressSync(readFileSync(join(modules, "@sparticuz", "chromium", "bin", "swiftshader.tar.br")));
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = tar.toString("latin1", at, at + 100).replace(/\0.*$/s, "");
    const bytes = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8);
    if (tar[at + 156] === 48) writeFileSync(join(fresh, name), tar.subarray(at + 512, at + 512 + bytes));
    at += 512 * (1 + Math.ceil(bytes / 512));
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
}
