import type { IncomingMessage, ServerResponse } from "node:http";
import type { Page } from "playwright-core";
import { describe, expect } from "vitest";
import { wavOf16 } from "../support/wav.ts";
import { allDone, choose, expectedText, fileOf, pageTests, sample, textOf } from "./support.ts";

const { pageTest } = pageTests(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream=deny"]);

/** What the page says of its problem, without the details. */
async function said(page: Page, within = ""): Promise<string> {
  return (await page.textContent(`${within} .problem:visible p >> nth=0`)) ?? "";
}

describe("each problem is a sentence that says what to do, and nothing is lost", () => {
  pageTest("a microphone that is not allowed", async ({ page }) => {
    await page.click(".record");
    expect(await said(page)).toMatch(/^The microphone is not allowed\. Allow it/);
    await page.click("nav a[href='#live']");
    await page.click(".live .big");
    expect(await said(page, ".live")).toMatch(/^The microphone is not allowed\. Allow it/);
    await page.waitForSelector(".live .big.accent");
  });

  pageTest(
    "no microphone",
    async ({ page }) => {
      await page.click("nav a[href='#live']");
      await page.click(".live .big");
      expect(await said(page, ".live")).toMatch(/^No microphone was found\. Connect one/);
    },
    {
      init: () => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("none", "NotFoundError"));
      },
    },
  );

  pageTest("a file that is no sound; those before and behind it are transcribed", async ({ page }) => {
    const text = { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Dear diary, ".repeat(100)) };
    await choose(page, [sample("zh.wav"), sample("ja.wav")].map(fileOf).toSpliced(1, 0, text));
    await allDone(page);
    expect(await page.locator(".recording.done .name").allTextContents()).toEqual(["ja.wav", "zh.wav"]);
    await page.click(".recording.failed .open");
    expect(await said(page)).toMatch(/^This is not a sound file that can be read here\. Choose a recording/);
    await page.click(".problem summary");
    expect(await page.textContent(".problem .detail")).toContain("notes.txt: not a sound file, it holds text");
  });

  pageTest("a sound that is cut off", async ({ page }) => {
    const { buffer, ...about } = fileOf(sample("en.wav"));
    await choose(page, { ...about, buffer: buffer.subarray(0, 60_000) });
    await allDone(page);
    expect(await said(page)).toMatch(/^The sound file is damaged or incomplete\. Get it again/);
  });

  pageTest(
    "no isolation: one thread, and why",
    async ({ page }) => {
      expect(await page.textContent("footer .lacks")).toBe("One thread only: why, and what to do");
      await choose(page, sample("zh.wav"));
      await allDone(page);
      expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
      expect(await page.textContent("footer .device")).toContain("1 thread");
      await page.click("footer .lacks a");
      await page.waitForSelector(".abilities");
      expect(await page.locator(".abilities .lacks").allTextContents()).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/one thread only\. Serve it with the headers Cross-Origin-Opener/),
        ]),
      );
    },
    // With a service worker the page would isolate itself.
    { isolated: false, serviceWorkers: "block" },
  );

  pageTest(
    "no storage: nothing is kept, and why",
    async ({ page }) => {
      await page.click("nav a[href='#models']");
      await page.waitForSelector(".abilities");
      expect(await page.textContent(".abilities")).toContain(
        "models are fetched at each visit. Leave private browsing",
      );
      await page.click("nav a[href='#transcribe']");
      await choose(page, sample("zh.wav"));
      await allDone(page);
      expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
    },
    { rewrite: (script) => script.replaceAll(".getDirectory", ".noDirectory") },
  );

  pageTest(
    "a model whose download is cut, and goes on",
    async ({ page, site }) => {
      site.answer = cutAt(3e6);
      await choose(page, [sample("zh.wav"), sample("en.wav")]);
      await page.waitForSelector(".main .problem", { timeout: 60_000 });
      expect(await said(page, ".main")).toMatch(/^The connection was cut\. Check the network and try again/);
      expect(await page.locator(".recording.waiting").count()).toBe(2);
      site.answer = () => false;
      await page.click(".main .problem > button");
      await allDone(page);
      expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
    },
    { expected: /ERR_|Failed to load/ },
  );

  pageTest(
    "an address without a model; the model before is still there",
    async ({ page }) => {
      await page.click("nav a[href='#models']");
      await page.fill("input[type=url]", "nothing/here/");
      await page.click(".address button");
      expect(await said(page, ".models")).toMatch(/^There is no model at this address\. Check it/);
      await page.check("input[type=radio][value=tiny]");
      await page.click("nav a[href='#transcribe']");
      await choose(page, sample("zh.wav"));
      await allDone(page);
      expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
    },
    { expected: /404/ },
  );

  pageTest("no space left: nothing is kept, and the text is still there", async ({ page }) => {
    const session = await page.context().newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(page.url()).origin, quotaSize: 5e6 });
    await choose(page, sample("zh.wav"));
    await page.waitForSelector(".main .problem");
    expect(await said(page, ".main")).toMatch(/^The browser has no space left\. Remove a model or old recordings/);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(page.url()).origin });
    await page.click(".main .problem > button");
    await allDone(page);
    expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
  });

  pageTest(
    "a worker that dies: what it had heard is there, and the next attempt starts another",
    async ({ page }) => {
      await choose(page, { name: "long.wav", mimeType: "audio/wav", buffer: longSound() });
      await page.waitForFunction(() => document.querySelectorAll(".transcript .segment").length > 3);
      await page.evaluate(() =>
        (globalThis as unknown as { workers: Worker[] }).workers[0].dispatchEvent(new ErrorEvent("error")),
      );
      await allDone(page);
      expect(await said(page)).toMatch(/^The memory was not enough\. .* What was heard until then is kept\.$/);
      expect((await textOf(page)).length).toBeGreaterThan(3);
      await choose(page, sample("zh.wav"));
      await allDone(page);
      expect(await page.locator(".recording.done .name").allTextContents()).toEqual(["zh.wav"]);
    },
    {
      init: () => {
        const workers: Worker[] = [];
        Object.assign(globalThis, {
          workers,
          Worker: class extends Worker {
            constructor(url: string | URL, options?: WorkerOptions) {
              super(url, options);
              workers.push(this);
            }
          },
        });
      },
    },
  );

  pageTest("a GPU that is not there", async ({ page }) => {
    await page.selectOption(".options select >> nth=1", "webgpu");
    await choose(page, sample("zh.wav"));
    await page.waitForSelector(".main .problem");
    expect(await said(page, ".main")).toMatch(/^This browser gives no GPU to compute on\. Choose “CPU”/);
    await page.selectOption(".options select >> nth=1", "cpu");
    await page.click(".main .problem > button");
    await allDone(page);
    expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
  });
});

/** Ten minutes of the same sentence. */
function longSound(): Buffer {
  const { buffer } = fileOf(sample("en.wav"));
  const samples = buffer.subarray(44);
  const whole = Buffer.concat(Array.from({ length: 100 }, () => samples));
  const pcm = Float32Array.from({ length: whole.length >> 1 }, (_, i) => whole.readInt16LE(2 * i) / 32_768);
  return Buffer.from(wavOf16(pcm));
}

/** A server that sends so many bytes of the weights, then cuts the connection. */
function cutAt(bytes: number) {
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    if (!request.url?.endsWith("model.safetensors")) return false;
    response.writeHead(200, { "Content-Length": 14e6, "Content-Type": "application/octet-stream" });
    response.write(Buffer.alloc(bytes), () => response.destroy());
    return true;
  };
}
