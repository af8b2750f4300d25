import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { downloadModel } from "../../src/convert/download.ts";
import { SenseVoiceError } from "../../src/error.ts";
import { fixture, temporaryFolder } from "./folder.ts";
import { hubServer } from "./hubServer.ts";

const ID = "iic/SenseVoiceSmall";
const FILES = Object.fromEntries(
  readdirSync(fixture("funasr")).map((name) => [name, readFileSync(join(fixture("funasr"), name))]),
);

beforeEach(() => {
  vi.stubEnv("SENSEVOICE_HOME", temporaryFolder());
  onTestFinished(() => void vi.unstubAllEnvs());
});

describe("what a hub answers", () => {
  /** A hub whose list of files is this. */
  const downloadOf = async (list: string) => {
    const server = createServer((_, response) => response.end(list)).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    return downloadModel(ID, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  };
  const entry = (name: string) => ({ Path: name, Type: "blob", Size: 1 });

  test.each<[string, string, RegExp]>([
    ["no JSON", `<html>\x1b[31m\n${"x".repeat(1e6)}`, /got "<html>\\u001b\[31m\\nx{40,}…"$/],
    ["16 MiB of spaces", " ".repeat(2 ** 24), /expected a list of files, got " {59,}…"$/],
    ["more than 16 MiB", " ".repeat(2 ** 24 + 1), /: expected at most 16777216 bytes$/],
    ["lists 100 000 deep", `{"Data":1,"Message":${"[".repeat(1e5)}${"]".repeat(1e5)}}`, /got a list of 1$/],
    [
      "names that have no place in an address or on a disk",
      JSON.stringify({ Data: { Files: ["\ud800.model", "\x1b.model", "../x.model"].map(entry) } }),
      /expected a FunASR model, got no model\.pt$/,
    ],
  ])("%s: one line", async (_, list, message) => {
    await expect(downloadOf(list)).rejects.toThrow(message);
    await expect(downloadOf(list)).rejects.toThrow(SenseVoiceError);
  });
});

describe("what is not there", () => {
  test("a model that does not exist is not asked for again", async () => {
    const hub = await hubServer(ID, FILES);
    await expect(downloadModel("iic/Nothing", { endpoint: hub.endpoint })).rejects.toThrow(
      /^\[download\] http.*iic\/Nothing.*: HTTP 404: not found or not public$/,
    );
    expect(hub.requests.length).toBe(1);
  });

  test("a repository of something else", async () => {
    const { "am.mvn": _, ...others } = FILES;
    const hub = await hubServer(ID, others);
    await expect(downloadModel(ID, { endpoint: hub.endpoint })).rejects.toThrow(
      "[download] iic/SenseVoiceSmall: expected a FunASR model, got no am.mvn",
    );
  });

  test.each(["", "SenseVoiceSmall", "../../etc", "a/../b", "iic/Sense Voice", "https://x/y"])(
    "%j is no model id",
    async (id) => {
      await expect(downloadModel(id, { endpoint: "http://127.0.0.1:9" })).rejects.toThrow(/expected a model id/);
    },
  );

  test("no server", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    const begin = performance.now();
    await expect(downloadModel(ID, { endpoint: `http://127.0.0.1:${port}` })).rejects.toThrow(
      /ECONNREFUSED.*; gave up after 5 attempts$/,
    );
    expect(performance.now() - begin).toBeGreaterThan(250 + 500 + 1000 + 2000 - 10); // the waits in between
  }, 20_000);
});
