import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** Rooms from the bottom up; a file may import from its own room and those in its list. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  error: [],
  debug: [],
  pause: [],
  packageFile: [],
  options: ["error"],
  tensor: ["error"],
  audio: ["error", "debug", "packageFile", "pause", "tensor", "model"],
  weights: ["error", "debug", "pause", "tensor"],
  kernels: ["error", "debug", "packageFile", "pause", "tensor"],
  model: ["error", "pause", "tensor", "weights"],
  speech: ["error", "options", "pause", "tensor", "audio", "model"],
  engine: ["error", "options", "pause", "model", "audio", "speech", "speakers"],
  tuning: ["error", "options", "debug", "kernels", "weights"],
  loadEngine: [
    "error",
    "options",
    "debug",
    "pause",
    "audio",
    "tensor",
    "kernels",
    "weights",
    "model",
    "engine",
    "quant",
    "tuning",
  ],
  convert: ["error", "tensor", "weights", "model"],
  quant: ["error", "tensor", "kernels", "audio", "weights", "model", "convert"],
  index: ["error", "options", "audio", "model", "weights", "speech", "output", "engine"],
  int8Copy: ["error", "debug", "weights", "model", "loadEngine", "quant"],
  node: ["index", "int8Copy", "error", "options", "model", "audio", "weights", "speech", "engine", "loadEngine"],
  nodeEntry: ["index", "node"],
  remote: ["error", "options", "pause", "audio", "speech", "engine"],
  tinyModel: [],
  browserEngine: [
    ...["error", "options", "model", "audio", "weights"],
    ...["engine", "loadEngine", "remote", "tinyModel"],
  ],
  browser: ["index", "browserEngine", "weights"],
  workerEntry: ["index", "error", "options", "pause", "weights", "remote", "browserEngine"],
  workerProgram: ["remote", "browserEngine"],
  output: ["error", "model", "speech"],
  speakers: ["error", "audio", "model", "speech", "output"],
  tensorEntry: ["error", "tensor", "kernels"],
  eval: ["error", "model", "weights", "node"],
  server: ["error", "pause", "options", "node", "audio", "weights", "model", "speech", "output"],
  cli: [
    "error",
    "pause",
    "tensor",
    "kernels",
    "weights",
    "model",
    "options",
    "tuning",
    "convert",
    "quant",
    "node",
    "int8Copy",
    "eval",
    "audio",
    "speech",
    "output",
    "server",
  ],
};

/** The only files that may import Node's modules; the rest runs anywhere. */
const NODE_FILES: readonly RegExp[] = [
  /^(cli|convert|eval|server)\//,
  /^audio\/(read|ffmpeg)\.ts$/,
  /^int8Copy\.ts$/,
  /^quant\/job\.ts$/,
  /^weights\/(file|folderSource|home|place|replaceFolder|safetensorsFile|tuningFile)\.ts$/,
];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .filter((file) => !file.includes("assembly")); // AssemblyScript, a language of its own
const textOf = (file: string) => readFileSync(join(source, file), "utf8");
const imports: Import[] = files.flatMap((file) => {
  const pattern = /(?:import|export)\s+(type\s)?[^"';]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/g;
  return [...textOf(file).matchAll(pattern)].map((match) => ({
    from: file,
    to: relative(source, join(source, dirname(file), match[2] ?? match[3])),
    typeOnly: match[1] !== undefined,
    dynamic: match[3] !== undefined,
  }));
});

/** All files that are loaded with one at once. */
function loadedBy(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  for (const { from, to, dynamic, typeOnly } of imports) {
    if (from === file && !dynamic && !typeOnly) loadedBy(to, loaded);
  }
  return loaded;
}

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

  test("a program that only runs a model does not load what quantises", () => {
    const loaded = loadedBy("node.ts");
    expect(loaded.size).toBeGreaterThan(50);
    expect([...loaded].filter((file) => ["quant", "convert", "cli", "eval"].includes(room(file)))).toEqual([]);
  });

  test("a program that does not ask for speakers loads nothing of them", () => {
    const loaded = [...loadedBy("node.ts"), ...loadedBy("browser.ts")];
    expect(loaded.filter((file) => room(file) === "speakers")).toEqual([]);
  });

  test("speakers take no more than types from the model and from speech", () => {
    const rooms = ["model", "speech"];
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      return room(from) === "speakers" && rooms.includes(room(to)) && !typeOnly;
    });
    expect(wrong).toEqual([]);
  });

  test("a page whose engine is in a Worker loads no engine itself", () => {
    expect([...loadedBy("workerEntry.ts")].filter((file) => /^(kernels|model|loadEngine|tensor)\b/.test(file))).toEqual(
      [],
    );
  });

  test("Node's modules are imported in few files, named here", () => {
    const importers = files.filter((file) => /from "node:|import\("node:/.test(textOf(file)));
    expect(importers.length).toBeGreaterThan(NODE_FILES.length);
    expect(importers.filter((file) => !NODE_FILES.some((allowed) => allowed.test(file)))).toEqual([]);
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
