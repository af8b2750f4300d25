import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporaryFolder } from "../convert/folder.ts";
import { describeGpu } from "../support/gpu.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const bench = (...args: string[]) => {
  const command = ["--import", "tsx", "bench/kernels.ts", ...args];
  return spawnSync(process.execPath, command, { cwd: root, encoding: "utf8", timeout: 300_000 });
};

test("--help and wrong options show how the benchmark is used, without a stack", () => {
  const { status, stdout } = bench("--help");
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^usage: npm run bench -- .*\n.* linear .*\n.* attention .*\n.* gpu .*\n.* features .*\n.* speaker .*\n$/,
  );
  const wrong = bench("--nope");
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toBe(`error: Unknown option '--nope'\n${stdout}`);
});

describeGpu("the GPU's benchmark", () => {
  test("checks and times a model and every kernel for its weights, and names the adapter", () => {
    const output = join(temporaryFolder(), "gpu.json");
    const { status, stderr } = bench("gpu", "--quick", "--weights", "f16", "--output", output);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const report = JSON.parse(readFileSync(output, "utf8"));
    expect(report).toMatchObject({ clock: "timestamps", quick: true, problems: [], leftOut: [] });
    expect(report.adapter).toMatch(/\w/);
    const [{ clip, batch, sameTokens }] = report.models;
    expect(sameTokens).toBeGreaterThan(0.9);
    for (const { wallMs, gpuMs, profile } of [clip, batch]) {
      expect(Math.min(wallMs, gpuMs)).toBeGreaterThan(0);
      const [{ kernel, calls, us, bytes }] = profile;
      expect(kernel).toMatch(/^\w/);
      expect(Math.min(calls, us, bytes)).toBeGreaterThan(0);
    }
    const names = report.kernels.map(({ kernel }: { kernel: string }) => kernel);
    expect(names).toEqual(expect.arrayContaining(["plain", "tile 32x32", "tile 64x64"]));
    for (const { us, gflops, error } of report.kernels) {
      expect(Math.min(us, gflops)).toBeGreaterThan(0);
      expect(error).toBeLessThan(2e-3);
    }
  });

  test("leaves out what there is no time for, and says so", () => {
    const output = join(temporaryFolder(), "gpu.json");
    expect(bench("gpu", "--quick", "--weights", "int8", "--minutes", "0", "--output", output).status).toBe(0);
    const report = JSON.parse(readFileSync(output, "utf8"));
    expect(report).toMatchObject({ models: [], kernels: [], leftOut: ["model int8", "kernels"] });
  });
});
