import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";

test.each(["browser.ts", "tensorEntry.ts"])("%s is bundled for a browser with nothing left outside", async (name) => {
  const entry = fileURLToPath(new URL(`../src/${name}`, import.meta.url));
  const { errors, warnings, metafile, outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    metafile: true,
    write: false,
    outdir: "out",
  });
  expect([...errors, ...warnings].map(({ text }) => text)).toEqual([]);
  const outside = Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter((i) => i.external));
  expect(outside).toEqual([]);
  for (const { text } of outputFiles) expect(text).not.toMatch(/(from|import\(|require\()\s*"node:/);
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.some((file) => file.endsWith("src/kernels/webgpu/gpu.ts"))).toBe(true);
  expect(inputs.filter((file) => /src\/(cli|convert|eval)\/|weights\/(file|home)\.ts/.test(file))).toEqual([]);
});
