import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createEngine } from "../src/node.ts";

/** A hardware adapter that has no device left. */
const adapter = {
  info: { vendor: "acme", architecture: "gpu", device: "1", description: "", isFallbackAdapter: false },
  features: new Set(),
  limits: {},
  requestDevice: () => Promise.reject(new Error("all devices\nare in use")),
};

beforeAll(() => {
  const gpu = { requestAdapter: async () => adapter, wgslLanguageFeatures: new Set() };
  vi.stubGlobal("navigator", { ...globalThis.navigator, gpu });
});
afterAll(() => vi.unstubAllGlobals());

test("where a hardware adapter refuses a device, auto takes the CPU; webgpu says why in one line", async () => {
  await using engine = await createEngine({ model: "tiny", device: "auto" });
  expect(engine.device).toBe("cpu");
  await expect(createEngine({ model: "tiny", device: "webgpu" })).rejects.toThrow(
    /^\[webgpu\] acme gpu 1 gave no device: all devices are in use$/,
  );
});
