import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { startServerHere } from "../server/socketSupport.ts";
import { recordingOf } from "../support/recording.ts";
import { wavOf16 } from "../support/wav.ts";
import type { Site } from "./serveSite.ts";
import { allDone, choose, expectedText, pageTests, sample, textOf } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "microphone-"));
const file = join(folder, "speech.wav");
let server: Awaited<ReturnType<typeof startServerHere>>;
beforeAll(async () => {
  writeFileSync(file, wavOf16((await recordingOf(["en.wav"], 1)).pcm));
  server = await startServerHere();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const { pageTest } = pageTests([
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${file}%noloop`,
]);

/** The page as if the service served it: what is asked below `v1/` is passed on. */
function serveWith(site: Site, { cut = false } = {}): void {
  const { hostname, port } = new URL(server.address);
  const pathOf = (url = "") => url.replace("/some/where", "");
  site.answer = (request, response) => {
    const path = pathOf(request.url);
    if (path === "/web.json") {
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ service: true }));
      return true;
    }
    if (!path.startsWith("/v1/")) return false;
    if (cut && path === "/v1/transcribe") {
      request.socket.destroy();
      return true;
    }
    const { method, headers } = request;
    const passed = httpRequest({ hostname, port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(passed);
    return true;
  };
  site.upgrade = (request, socket) => {
    const passed = httpRequest({ hostname, port, path: pathOf(request.url), headers: request.headers });
    passed.on("upgrade", (answer, other) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`);
      other.pipe(socket).pipe(other);
      socket.on("error", () => other.destroy());
      other.on("error", () => socket.destroy());
    });
    passed.end();
  };
}

pageTest(
  "the service that serves the page hears files and microphones; no model is fetched",
  async ({ page, site }) => {
    serveWith(site);
    await page.reload();
    await page.waitForFunction(() =>
      document.querySelector("footer")?.textContent?.includes("Sound goes to the service"),
    );
    await choose(page, [sample("zh.wav"), sample("en-angry.wav")]);
    await allDone(page);
    expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
    expect(await page.textContent(".meta")).toMatch(/^0:04 · .*tiny · 127\.0\.0\.1/);
    await page.click("nav a[href='#live']");
    await page.click(".live .big");
    await page.waitForFunction(() => document.querySelectorAll(".captions .final").length === 1);
    await page.click(".live .big");
    await page.waitForSelector(".after");
    expect(await page.textContent(".captions .final")).toContain("what you can do for your country");
    expect(site.asked.filter((path) => path.includes("weights"))).toEqual([]);
  },
);

pageTest(
  "a service that breaks off: a sentence, and the browser's own engine instead",
  async ({ page, site }) => {
    serveWith(site, { cut: true });
    await page.reload();
    await page.waitForFunction(() =>
      document.querySelector("footer")?.textContent?.includes("Sound goes to the service"),
    );
    await choose(page, sample("zh.wav"));
    await allDone(page);
    expect(await page.textContent(".problem p >> nth=0")).toMatch(/^The connection was cut\. Check the network/);
    await page.click("nav a[href='#models']");
    await page.click(".card .toggle input");
    await page.click("nav a[href='#transcribe']");
    await page.click(".problem > button");
    await allDone(page);
    expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
  },
  { expected: /ERR_/ },
);
