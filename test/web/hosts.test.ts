import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSite } from "../../scripts/build-site.ts";
import { startTestServer } from "../server/support.ts";
import { openChromium } from "../support/chromium.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** A host that sends no headers beside the type, as free hosts of static pages do; the page lies under /demo/. */
async function startPlainHost(site: string): Promise<{ address: string; server: Server }> {
  const server = createServer((request, response) => {
    const path = decodeURI((request.url ?? "").replace(/[?#].*$/, ""))
      .replace(/^\/demo\//, "/")
      .replace(/\/$/, "/index.html");
    const file = join(site, path);
    if (!request.url?.startsWith("/demo/") || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    response.setHeader("content-length", statSync(file).size);
    createReadStream(file).pipe(response);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/demo/`, server };
}

const chromium = await openChromium();
const isIsolated = async (page: Page) => {
  // It may be loading itself again.
  return page.evaluate(() => crossOriginIsolated).catch(() => false);
};

describe.skipIf(typeof chromium === "string")("the page", () => {
  const { browser, close } = chromium as Exclude<typeof chromium, string>;
  const site = mkdtempSync(join(tmpdir(), "sensevoice-site-"));
  beforeAll(() => buildSite(site));
  afterAll(async () => {
    await close();
    rmSync(site, { recursive: true });
  });

  test("on a host without headers isolates itself, and opens without a network", async () => {
    const { address, server } = await startPlainHost(site);
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(address);
    await expect.poll(() => isIsolated(page), { timeout: 30_000 }).toBe(true);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await page.goto(address);
    expect(await isIsolated(page)).toBe(true);
    expect(await page.locator("main h2").first().isVisible()).toBe(true);
    await context.close();
  });

  test("from the service is isolated, has nothing of other hosts, and knows of the service", async () => {
    const server = await startTestServer(["--site", site]);
    const context = await browser.newContext();
    const page = await context.newPage();
    const hosts = new Set<string>();
    page.on("request", (request) => hosts.add(new URL(request.url()).host));
    const answer = await page.goto(server.address);
    expect(answer?.headers()).toMatchObject({
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "x-content-type-options": "nosniff",
    });
    expect(await isIsolated(page)).toBe(true);
    const facts = await page.evaluate(async () => (await fetch("web.json")).json());
    expect(facts).toEqual({ service: true, keys: false, speakers: false });
    expect((await page.evaluate(async () => (await fetch("weights/tiny/config.json")).json())).format).toBe(
      "sensevoice",
    );
    await expect.poll(() => page.locator("main h2").first().isVisible()).toBe(true);
    expect([...hosts]).toEqual([new URL(server.address).host]);
    await context.close();
    expect(await server.stop()).toBe(0);
  });
});
