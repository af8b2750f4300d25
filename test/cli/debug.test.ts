import { expect, test } from "vitest";
import { hasGpu } from "../support/gpu.ts";
import { sensevoice } from "./sensevoice.ts";

const SOUND = "samples/zh-happy.wav";
const run = (level: string, device: string) =>
  sensevoice(["--model", "tiny", "--device", device, SOUND], { env: { SENSEVOICE_DEBUG: level } });

test("SENSEVOICE_DEBUG=2 says what was chosen; 1 is silent where nothing fails", async () => {
  const chosen = /^\[engine\] .*weights\/tiny, int8, on CPU, WebAssembly/m;
  expect((await run("2", "cpu")).stderr).toMatch(chosen);
  expect((await run("1", "cpu")).stderr).toBe("");
});

test.skipIf(!hasGpu)("SENSEVOICE_DEBUG=3 prints the WGSL of each kernel by name", async () => {
  const { stderr } = await run("3", "webgpu");
  for (const name of ["linear plain", "sanm plain", "layerNorm", "ctcTopK"]) {
    expect(stderr).toMatch(new RegExp(`^\\[webgpu\\] kernel ${name}\\n[^]*?@compute`, "m"));
  }
});
