import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { LIMIT_MB, Runner } from "../../scripts/fuzz/runner.ts";
import { TARGETS } from "../../scripts/fuzz/targets.ts";

/** Inputs that something once went wrong with, by target: what `npm run fuzz` wrote, or made by hand under such a name. */
const corpus = fileURLToPath(new URL("corpus", import.meta.url));
const folders = readdirSync(corpus);

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-test-"));
const runner = new Runner(scratch);
afterAll(async () => {
  await runner.close();
  rmSync(scratch, { recursive: true, force: true });
});

test("there are inputs, each under the name of a target", () => {
  expect(folders.length).toBeGreaterThan(0);
  expect(TARGETS.map(({ name }) => name)).toEqual(expect.arrayContaining(folders));
});

describe.each(folders)("%s", (target) => {
  const limitMs = TARGETS.find(({ name }) => name === target)?.limitMs;
  test.each(readdirSync(join(corpus, target)))("%s is read right or refused in one line", async (name) => {
    const path = join(corpus, target, name);
    const reply = await runner.run({ do: "replay", target, path }, target, limitMs);
    expect(reply.kind === "finding" ? `${reply.message} (${reply.where})` : "").toBe("");
    expect(reply.mb).toBeLessThan(LIMIT_MB);
  });
});
