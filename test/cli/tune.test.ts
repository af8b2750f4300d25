import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../convert/folder.ts";
import { describeGpu, hasGpu } from "../support/gpu.ts";
import { PLAIN, sensevoice, ZH_HAPPY, ZH_HAPPY_TEXT } from "./sensevoice.ts";

test("--tune and SENSEVOICE_TUNE are refused in one line if they are not known", async () => {
  const wrong = await sensevoice([...PLAIN, "--tune", "never", ZH_HAPPY]);
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toMatch(/^error: option '--tune <when>' argument 'never' is invalid.* off, auto, force\.\n$/);
  const env = { SENSEVOICE_TUNE: "never" };
  const { status, stdout, stderr } = await sensevoice([...PLAIN, ZH_HAPPY], { env });
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toBe('error: SENSEVOICE_TUNE: expected one of off, auto, force, got "never"\n');
});

test("tune needs a GPU in hardware, and says what it found", async () => {
  const { status, stdout, stderr } = await sensevoice(["tune", "--model", "tiny"]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  const got = hasGpu ? ".+, which is software: its kernels are chosen by rule" : "none";
  expect(stderr).toMatch(new RegExp(`^error: \\[tune\\] expected a GPU \\(.*\\), got ${got}\n$`));
});

test("tune --help tells what it does", async () => {
  const { status, stdout } = await sensevoice(["tune", "--help"]);
  expect(status).toBe(0);
  expect(stdout).toContain("time the GPU's kernels for a model anew");
});

describeGpu("on a GPU in software", () => {
  const args = ["--model", "tiny", "--device", "webgpu", ZH_HAPPY];

  test("nothing is timed or written, and info says that kernels are chosen by rule", async () => {
    const env = { SENSEVOICE_HOME: join(temporaryFolder(), "home") };
    const { stdout, stderr } = await sensevoice(["--tune", "force", ...args], { env });
    expect({ stdout, stderr }).toEqual({ stdout: `${ZH_HAPPY_TEXT}\n`, stderr: "" });
    expect(existsSync(env.SENSEVOICE_HOME)).toBe(false);
    expect((await sensevoice(["info"], { env })).stdout).toMatch(/^kernels +chosen by rule$/m);
  });

  test("--profile prints a table of kernels on stderr, and the text as without it", async () => {
    const { status, stdout, stderr } = await sensevoice(["--profile", ...args]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${ZH_HAPPY_TEXT}\n` });
    expect(stderr).toMatch(/^\[profile\] .*, times by timestamps, a pass for each dispatch\nkernel +shape +calls/);
    for (const kernel of ["linear plain", "sanm plain", "ctcTopK"]) {
      expect(stderr).toMatch(new RegExp(`^${kernel} .* \\d+ +[\\d.]+ +([\\d.]+|-) +[\\d.]+ +[\\d.]+ %$`, "m"));
    }
    expect(stderr).toMatch(/^total +\d+ +[\d.]+\n$/m);
  });
});

test("--profile prints nothing where no GPU computes", async () => {
  const { stdout, stderr } = await sensevoice(["--profile", ...PLAIN, ZH_HAPPY]);
  expect({ stdout, stderr }).toEqual({ stdout: `${ZH_HAPPY_TEXT}\n`, stderr: "" });
});
