import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { finish, sensevoice, start } from "./sensevoice.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sensevoice-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a model in int4 is a third of f16's size and still transcribes; its policy can be given again", async () => {
  const [out, again, policy] = ["int4", "again", "policy.json"].map((name) => join(folder, name));
  const made = await sensevoice(["quantize", "tiny", "--scheme", "int4", "--out", out, "--save-policy", policy]);
  expect(made).toMatchObject({ status: 0, stdout: `${out}\n`, stderr: "" });
  expect(statSync(join(out, "model.safetensors")).size).toBeLessThan(13.8e6 / 3);
  const said = await sensevoice(["samples/zh-happy.wav", "--model", out, "--device", "cpu"]);
  expect(said).toMatchObject({ status: 0, stdout: "祝你生日快乐😊\n" });
  const twice = await sensevoice(["quantize", out, "--scheme", "int8", "--out", join(folder, "twice")]);
  expect(twice).toMatchObject({
    status: 1,
    stderr: `error: [quant] ${out}: expected a model in f32 or f16, got one in int4\n`,
  });
  expect((await sensevoice(["quantize", "tiny", "--policy", policy, "--out", again])).status).toBe(0);
  expect(readFileSync(join(again, "config.json"))).toEqual(readFileSync(join(out, "config.json")));
});

test.each([
  [["--scheme", "lut4"], "[quant] lut4: expected calibration sound, got none: give some with --calibrate"],
  [["--scheme", "mixed"], "--scheme mixed: expected a --budget, got none"],
  [
    ["--scheme", "mixed", "--budget", "few"],
    "--budget: expected bits a weight such as 4.5, or a size such as 120MB, got few",
  ],
  [["--scheme", "int4", "--budget", "4"], "--budget: expected with --scheme mixed, got int4"],
  [["--policy", "POLICY"], "[policy: scheme] bits: expected an integer from 2 to 8, got 9"],
])("%s is refused in one line", async (options, message) => {
  const policy = join(folder, "bad.json");
  writeFileSync(policy, '{ "name": "bad", "scheme": { "bits": 9, "values": "uniform", "granularity": "channel" } }');
  const given = options.map((option) => (option === "POLICY" ? policy : option));
  const answer = await sensevoice(["quantize", "tiny", ...given, "--out", join(folder, "refused")]);
  expect(answer).toMatchObject({ status: 1, stdout: "", stderr: `error: ${message}\n` });
});

test("a calibration that was killed goes on where it was, and its result is that of one that was not", async () => {
  const calibrate = ["--scheme", "int4-gptq", "--calibrate", "test/calibration/calibration.jsonl", "--limit", "2"];
  const [whole, out] = ["whole", "resumed"].map((name) => join(folder, name));
  const state = join(folder, ".resumed.quantise");
  expect((await sensevoice(["quantize", "tiny", ...calibrate, "--out", whole])).status).toBe(0);
  const child = start(["quantize", "tiny", ...calibrate, "--out", out]);
  const ended = finish(child);
  const journal = () =>
    existsSync(join(state, "journal.jsonl")) ? readFileSync(join(state, "journal.jsonl"), "utf8") : "";
  while (journal().split("\n").length < 6) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill("SIGKILL");
  expect(await ended).toMatchObject({ signal: "SIGKILL" });
  expect(existsSync(out)).toBe(false);
  const before = journal();

  const other = await sensevoice(["quantize", "tiny", ...calibrate, "--limit", "3", "--out", out, "--resume"]);
  const refusal = "was begun from another model, other sound or settings: leave --resume out to begin anew";
  expect(other).toMatchObject({ status: 1, stderr: `error: [quant] --resume: ${out} ${refusal}\n` });

  const again = start(["quantize", "tiny", ...calibrate, "--out", out, "--resume"]);
  const resumed = finish(again);
  let seen = before;
  again.on("exit", () => clearInterval(watch));
  const watch = setInterval(() => {
    seen = journal() || seen;
  }, 2);
  expect(await resumed).toMatchObject({ status: 0, stdout: `${out}\n`, stderr: "" });
  expect(seen.startsWith(before)).toBe(true);
  for (const file of ["config.json", "model.safetensors"]) {
    expect(readFileSync(join(out, file)).equals(readFileSync(join(whole, file))), file).toBe(true);
  }
  expect(existsSync(state)).toBe(false);
}, 120_000);
