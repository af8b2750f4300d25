import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What a file imports, dynamically or not, and files of src/ that it names because it starts them. */
export function importsOf(path: string, source: string): string[] {
  const relative = /(?:\bfrom|\bimport|\bimport\(|new URL\()\s*"(\.{1,2}\/[^"]+\.ts)"/g;
  const named = /"((?:src|scripts)\/[^"]+\.ts)"/g;
  return [
    ...[...source.matchAll(relative)].map(([, to]) => join(dirname(path), to)),
    ...[...source.matchAll(named)].map(([, to]) => to),
  ];
}

/**
 * How many imports away each file is that a test reaches: 1 for what it imports itself.
 *
 * @param read a file's text, undefined if there is none
 */
export function distancesFrom(test: string, read: (path: string) => string | undefined): Map<string, number> {
  const distances = new Map([[test, 0]]);
  for (const [path, distance] of distances) {
    for (const next of importsOf(path, read(path) ?? "")) {
      if (!distances.has(next) && read(next) !== undefined) distances.set(next, distance + 1);
    }
  }
  return distances;
}

/** Reads files below a folder, each once. */
export function createReader(root: string): (path: string) => string | undefined {
  const texts = new Map<string, string | undefined>();
  return (path) => {
    if (!texts.has(path)) {
      try {
        texts.set(path, readFileSync(join(root, path), "utf8"));
      } catch {
        texts.set(path, undefined);
      }
    }
    return texts.get(path);
  };
}

/** The tests that reach a file, the nearest first; of those equally near its namesake, then those of its folder. */
export function testsOf(file: string, reached: ReadonlyMap<string, ReadonlyMap<string, number>>): string[] {
  const stem = file.replace(/^src\//, "test/").replace(/\.ts$/, "");
  const strange = (test: string) => (test === `${stem}.test.ts` ? 0 : dirname(test) === dirname(stem) ? 1 : 2);
  return [...reached]
    .flatMap(([test, distances]) => {
      const distance = distances.get(file);
      return distance === undefined ? [] : [{ test, distance, strange: strange(test) }];
    })
    .sort((a, b) => a.distance - b.distance || a.strange - b.strange || (a.test < b.test ? -1 : 1))
    .map(({ test }) => test);
}
