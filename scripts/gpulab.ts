/**
 * Runs a command with a GPU in software that has f16 and subgroup matrices, which SwiftShader lacks:
 * `npx tsx scripts/gpulab.ts COMMAND …`, or, without a command, the tests of the kernels that need them (options go to
 * vitest). The GPU is
 * ../shared/gpulab, or the folder in GPULAB; where there is none, or its downloads cannot be had, says so and succeeds.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Kernels on matrices, and nothing that SwiftShader can test: pipelines take seconds to build here. */
const FILES = [
  "test/kernels/linearKernels.test.ts",
  "test/kernels/sanmKernels.test.ts",
  "test/kernels/matrixTokens.test.ts",
];
const TESTS = ["npx", "vitest", "run", ...FILES, "-t", "matri"];

const root = fileURLToPath(new URL("../", import.meta.url));
const gpulab = join(resolve(root, process.env.GPULAB ?? "../shared/gpulab"), "gpulab");

if (!existsSync(gpulab)) skip(`there is no ${gpulab}`);
if (spawnSync(gpulab, ["run", "true"], { cwd: root, stdio: "inherit" }).status !== 0)
  skip("its downloads cannot be had");
const given = process.argv.slice(2);
const command = given[0]?.startsWith("-") ? [...TESTS, ...given] : given.length > 0 ? given : TESTS;
const { status } = spawnSync(gpulab, ["run", ...command], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, REQUIRE_GPU: "1" },
});
process.exit(status ?? 1);

function skip(reason: string): never {
  console.log(`kernels on matrices: skipped, ${reason}`);
  process.exit();
}
