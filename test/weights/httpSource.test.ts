import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { streamInput } from "../../src/audio/read.ts";
import { loadEngine } from "../../src/loadEngine.ts";
import { readAudio } from "../../src/node.ts";
import { TINY } from "../../src/weights/home.ts";
import { httpSource } from "../../src/weights/httpSource.ts";

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/tiny`;
}

const pathOf = (url = "") => join(TINY, url.replace("/models/tiny/", ""));
const load = (url: string) => loadEngine(httpSource(url), streamInput, { device: "cpu", threads: 1 });

test("a model on a server transcribes as the one in the folder", async () => {
  const url = await serve(({ url }, response) => {
    if (!existsSync(pathOf(url))) return response.writeHead(404).end();
    response.setHeader("content-length", statSync(pathOf(url)).size);
    createReadStream(pathOf(url)).pipe(response);
  });
  for (const address of [url, `${url}/`]) {
    await using engine = await load(address);
    const pcm = await readAudio(join(TINY, "../../samples/zh-happy.wav"));
    expect((await engine.run(pcm)).text).toBe("祝你生日快乐😊");
  }
});

test("without a length, and with a damaged byte: taken whole, refused", async () => {
  const url = await serve(({ url }, response) => {
    const bytes = readFileSync(pathOf(url));
    if (url?.endsWith("model.safetensors")) bytes[1e6] ^= 1;
    response.write(bytes.subarray(0, 7));
    response.end(bytes.subarray(7));
  });
  await expect(load(url)).rejects.toThrow(/^\[weights\] model\.safetensors: expected sha256 \w+, got \w+; the file/);
});

test("a configuration that is too large is not read", async () => {
  const limit = 2 ** 24;
  const url = await serve((_, response) => {
    response.setHeader("content-length", limit + 1);
    response.write("{");
  });
  await expect(load(url)).rejects.toThrow(
    `[weights] ${url}/config.json: expected at most ${limit} bytes, got ${limit + 1}`,
  );
});

test("what the server does not have, breaks off or is not there itself: one line with the address", async () => {
  const missing = await serve((_, response) => response.writeHead(404).end());
  await expect(load(missing)).rejects.toThrow(`[weights] ${missing}/config.json: expected a file, got HTTP 404`);
  const broken = await serve(({ url }, response) => {
    const bytes = readFileSync(pathOf(url));
    response.setHeader("content-length", bytes.length);
    if (!url?.endsWith("model.safetensors")) response.end(bytes);
    else response.write(bytes.subarray(0, 1e6), () => response.destroy());
  });
  await expect(load(broken)).rejects.toThrow(/^\[weights\] .*model\.safetensors: the connection ended/);
  const cut = await serve((_, response) => {
    response.setHeader("content-length", 900);
    response.write("{", () => response.destroy());
  });
  await expect(load(cut)).rejects.toThrow(`[weights] ${cut}/config.json: the connection ended at byte `);
  await expect(load("http://127.0.0.1:9/x")).rejects.toThrow(/^\[weights\] http:\/\/127\.0\.0\.1:9\/x\/config\.json: /);
});
