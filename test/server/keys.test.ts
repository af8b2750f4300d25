import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { newKey, readKeys } from "../../src/server/keys.ts";
import { sensevoice } from "../cli/sensevoice.ts";
import { emptyFolder } from "./cacheFolder.ts";

let file: string;
beforeEach(() => {
  file = join(emptyFolder(), "keys.txt");
});
const [anna, bert] = [newKey(), newKey()];
const write = (...lines: string[]) => fs.writeFileSync(file, lines.join("\n"));
/** For the next look at the clock. */
const aSecondLater = () => {
  const now = performance.now();
  vi.spyOn(performance, "now").mockReturnValueOnce(now + 1001);
};

test("a key is 32 random bytes, and what is kept of it is its SHA-256", () => {
  expect(anna.key).toMatch(/^sv-[\w-]{43}$/);
  expect(anna.hash).toBe(createHash("sha256").update(anna.key).digest("hex"));
  expect(bert.key).not.toBe(anna.key);
});

test("a token is found by its hash, with its name and limit; comments and empty lines are none", () => {
  write("# who may ask", "", `anna ${anna.hash} 60 # for the app`, `\tbert\t${bert.hash.toUpperCase()}\r`, "#");
  const keys = readKeys(file);
  expect(keys.find(anna.key)).toEqual({ name: "anna", perMinute: 60 });
  expect(keys.find(bert.key)).toEqual({ name: "bert" });
  for (const wrong of ["", "sv-", anna.hash, `${anna.key} `, anna.key.toLowerCase(), "x".repeat(100_000)]) {
    expect(keys.find(wrong), wrong.slice(0, 50)).toBeUndefined();
  }
});

test.each<[string, string[], string]>([
  ["a line without a hash", ["# x", "anna"], ":2: anna: expected the key's SHA-256"],
  ["a short hash", [`anna ${anna.hash.slice(1)}`], ":1: anna: expected the key's SHA-256"],
  ["the key itself", [`anna ${anna.key}`], ":1: anna: expected the key's SHA-256"],
  ["the key as a name", [anna.key], ":1: expected a name of at most 64 characters as the first word"],
  ["a limit of none", [`anna ${anna.hash} 0`], ':1: anna: expected requests a minute from 1 on, got "0"'],
  ["a fourth word", [`anna ${anna.hash} 5 x`], ":1: anna: expected NAME SHA256 [REQUESTS_PER_MINUTE], got 4 words"],
  ["a name that is there", [`anna ${anna.hash}`, `anna ${bert.hash}`], ":2: anna: there is a key of this name"],
  ["a hash that is there", [`anna ${anna.hash}`, `bert ${anna.hash}`], ":2: bert: this is the key of anna"],
  ["a long name", [`${"a".repeat(65)} ${anna.hash}`], ":1: expected a name of at most 64 characters"],
  ["no key", ["# none yet"], ": expected at least one key, got none"],
])("a file with %s is refused", (_, lines, message) => {
  write(...lines);
  let error: unknown;
  try {
    readKeys(file);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ name: "SenseVoiceError", message: expect.stringContaining(`${file}${message}`) });
  expect(String(error)).not.toContain(anna.key);
});

test("a file that is not there, or is a folder, or is too large is refused", () => {
  expect(() => readKeys(file)).toThrow(/keys\.txt: the keys cannot be read \(ENOENT/);
  expect(() => readKeys(join(file, ".."))).toThrow("it is not a file");
  fs.writeFileSync(file, Buffer.alloc(2 ** 20 + 1, "#"));
  expect(() => readKeys(file)).toThrow("expected at most 1048576 bytes");
});

test("a key that is taken out of the file is refused a second later, and a new one holds", () => {
  write(`anna ${anna.hash}`);
  const keys = readKeys(file, (message) => expect.unreachable(message));
  // The same size and, as far as the clock of a file system can tell, the same time.
  const { atime, mtime } = fs.statSync(file);
  write(`bert ${bert.hash}`);
  fs.utimesSync(file, atime, mtime);
  expect(keys.find(anna.key)).toEqual({ name: "anna" });
  aSecondLater();
  expect(keys.find(anna.key)).toBeUndefined();
  expect(keys.find(bert.key)).toEqual({ name: "bert" });
});

test("a file that has become wrong keeps the keys from before, is told once, and holds when it is right again", () => {
  write(`anna ${anna.hash}`);
  const problems: string[] = [];
  const keys = readKeys(file, (message) => problems.push(message));
  for (const change of [() => write("anna x"), () => {}, () => fs.rmSync(file), () => write("")]) {
    change();
    aSecondLater();
    expect(keys.find(anna.key)).toEqual({ name: "anna" });
  }
  const hold = "; the keys from before still hold";
  expect(problems).toEqual([
    `${file}:1: anna: expected the key's SHA-256 in hexadecimal as the second word${hold}`,
    expect.stringMatching(/ENOENT/),
    `${file}: expected at least one key, got none${hold}`,
  ]);
  write(`bert ${bert.hash}`);
  aSecondLater();
  expect(keys.find(bert.key)).toEqual({ name: "bert" });
  expect(keys.find(anna.key)).toBeUndefined();
  write("");
  aSecondLater();
  expect(keys.find(bert.key)).toEqual({ name: "bert" });
  expect(problems[3]).toBe(problems[2]);
});

test("sensevoice key adds a hash to the file and prints the key, which opens", async () => {
  const first = await sensevoice(["key", "王小明", "--keys", file]);
  expect(first).toMatchObject({ status: 0, stderr: "" });
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  fs.writeFileSync(file, fs.readFileSync(file, "utf8").trimEnd()); // as an editor may leave it
  const second = await sensevoice(["key", "bert", "--keys", file, "--per-minute", "6"]);
  expect(second).toMatchObject({ status: 0, stderr: "" });
  const keys = readKeys(file);
  expect(first.stdout).toMatch(/^sv-[\w-]{43}\n$/);
  expect(keys.find(first.stdout.trim())).toEqual({ name: "王小明" });
  expect(keys.find(second.stdout.trim())).toEqual({ name: "bert", perMinute: 6 });
  expect(fs.readFileSync(file, "utf8")).not.toContain(first.stdout.trim());
});

test.each<[string, string[], RegExp]>([
  ["a name that is taken", ["anna", "--keys", "FILE"], /^error: .*keys\.txt: there is a key of the name anna/],
  ["a name of two words", ["anna b", "--keys", "FILE"], /^error: expected a name of one word/],
  ["a name that is a comment", ["#b", "--keys", "FILE"], /^error: expected a name of one word/],
  ["an empty name", ["", "--keys", "FILE"], /^error: expected a name of one word/],
  ["no file", ["b"], /^error: required option '--keys <file>'/],
  ["a limit of none", ["b", "--keys", "FILE", "--per-minute", "0"], /^error: .*expected a number from 1 on/],
  ["a folder that is not there", ["b", "--keys", "FILE/x"], /^error: .*: the key cannot be added \(E/],
])("sensevoice key with %s changes nothing", async (_, args, message) => {
  const text = `anna ${anna.hash}\n`;
  write(text);
  const result = await sensevoice(["key", ...args.map((arg) => arg.replace("FILE", file))]);
  expect(result).toMatchObject({ status: 1, stdout: "", stderr: expect.stringMatching(message) });
  expect(result.stderr.trimEnd()).not.toContain("\n");
  expect(fs.readFileSync(file, "utf8")).toBe(text);
});
