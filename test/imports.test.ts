import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** Rooms from the bottom up; a file may import from its own room and those in its list. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  error: [],
  pause: [],
  tensor: ["error"],
  audio: ["error", "pause", "tensor", "model"],
  weights: ["error", "pause", "tensor", "model"],
  kernels: ["error", "tensor"],
  model: ["error", "pause", "tensor", "weights", "quant"],
  engine: ["error", "tensor", "kernels", "model", "audio", "weights", "quant"],
  quant: ["error", "tensor", "kernels", "model", "audio", "weights", "convert"],
  convert: ["error", "tensor", "model", "weights"],
  node: ["error", "engine", "model", "audio", "weights"],
  eval: ["error", "node", "model", "weights"],
  cli: [
    "error",
    "eval",
    "node",
    "engine",
    "model",
    "audio",
    "weights",
    "convert",
    "quant",
    "kernels",
    "tensor",
  ],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".ts"),
);
const imports: Import[] = files
  .filter((file) => !file.includes("assembly")) // AssemblyScript, a language of its own
  .flatMap((file) => {
    const text = readFileSync(join(source, file), "utf8");
    const pattern = /(?:import|export)\s+(type\s)?[^"';]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/g;
    return [...text.matchAll(pattern)].map((match) => ({
      from: file,
      to: relative(source, join(source, dirname(file), match[2] ?? match[3])),
      typeOnly: match[1] !== undefined,
    }));
  });

const room = (file: string) => file.split("/")[0].replace(/\.ts$/, "");

describe("imports point one way", () => {
  test("there are imports to look at", () => expect(imports.length).toBeGreaterThan(50));

  test("no arrow goes up", () => {
    const wrong = imports
      // A type costs nothing at run time: weights' configuration type may be named by audio.
      .filter(({ from, to }) => room(from) !== room(to) && !MAY_IMPORT[room(from)]?.includes(room(to)))
      .map(({ from, to }) => `${from} → ${to}`);
    expect(wrong).toEqual([]);
  });

  test("audio takes no more than types from the model", () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      return room(from) === "audio" && room(to) === "model" && !typeOnly;
    });
    expect(wrong).toEqual([]);
  });

  test("no cycle between files", () => {
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) throw new Error(`cycle: ${[...path, file].join(" → ")}`);
      if (done.has(file)) return;
      for (const { from, to } of imports) if (from === file) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });
});
