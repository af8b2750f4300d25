import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const tracked = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !/^(\.|node_modules|dist)/.test(entry.name))
  .flatMap(({ name }) =>
    readdirSync(join(root, name), { recursive: true, encoding: "utf8" }).map((file) => join(name, file)),
  )
  .filter((file) => !file.includes("node_modules"));
const pages = [...readdirSync(root), ...tracked].filter(
  (file) => file.endsWith(".md") && file !== "THIRD-PARTY-NOTICES.md",
);
const testFiles = tracked.filter((file) => file.endsWith(".test.ts"));
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)];

describe.each(pages)("%s", (page) => {
  const text = readFileSync(join(root, page), "utf8");

  test("links lead to files that are there", () => {
    const links = matches(text, /\]\(([^)#]+)[^)]*\)/g).map(([, link]) => link);
    const files = links.filter((link) => !/^\w+:/.test(link));
    expect(files.filter((file) => !existsSync(join(root, dirname(page), file)))).toEqual([]);
  });

  test("files that are named are there", () => {
    const named = matches(text, /(?<![\w./$-])((?:src|test|docs|scripts|bench|samples|examples)\/[\w./-]+)/g);
    const paths = named.map(([, path]) => path.replace(/\.$/, ""));
    const found = (path: string) => existsSync(join(root, path)) || tracked.some((f) => f.startsWith(path));
    expect(paths.filter((path) => !found(path))).toEqual([]);
  });

  test("commands of npm are those of package.json", () => {
    const names = matches(text, /npm run (?:-s )?([\w:]+)/g).map(([, name]) => name);
    expect(names.filter((name) => !(name in scripts))).toEqual([]);
  });

  test("tests that are named are there", () => {
    for (const [command, paths, name] of matches(text, /vitest run((?: (?!-)[\w./-]+)*)(?: -t "([^"]+)")?/g)) {
      for (const path of paths.trim().split(" ")) {
        const run = testFiles.filter((file) => file.includes(path));
        expect(run, command).not.toEqual([]);
        const titled = (file: string) => readFileSync(join(root, file), "utf8").includes(name ?? "");
        expect(run.some(titled), command).toBe(true);
      }
    }
  });
});
