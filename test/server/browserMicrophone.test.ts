import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openChromium } from "../support/chromium.ts";
import { recordingOf } from "../support/recording.ts";
import { wavOf16 } from "../support/wav.ts";
import { startServerHere } from "./socketSupport.ts";

const page = readFileSync(new URL("../../examples/service/browserMicrophone.html", import.meta.url));

test("a page's microphone is heard in Chromium: grey while somebody speaks, then black", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "microphone-"));
  const file = join(folder, "speech.wav");
  const { pcm } = await recordingOf(["en.wav", "zh.wav"], 2);
  writeFileSync(file, wavOf16(pcm));
  const opened = await openChromium([
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-audio-capture=${file}%noloop`,
  ]);
  const pages = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(page));
  try {
    if (typeof opened === "string") return context.skip(`Chromium: ${opened}`);
    await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
    const server = await startServerHere({ cors: [origin] });
    const stranger = await startServerHere();
    try {
      const tab = await opened.browser.newPage();
      await tab.goto(`${origin}/?service=${stranger.address}`);
      await tab.click("#start");
      await tab.waitForFunction(() =>
        document.getElementById("error")?.textContent?.includes("does not allow this page"),
      );

      await tab.goto(`${origin}/?service=${server.address}`);
      await tab.click("#start");
      await tab.waitForFunction(() => document.getElementById("partial")?.textContent !== "", { timeout: 30_000 });
      const color = await tab.evaluate(() => getComputedStyle(document.getElementById("partial") as Element).color);
      expect(color).toBe("rgb(136, 136, 136)");
      await tab.waitForFunction(() => /。/.test(document.getElementById("final")?.textContent ?? ""), {
        timeout: 60_000,
      });
      await tab.click("#stop");
      await tab.waitForSelector("#start:enabled");
      const text = await tab.textContent("#final");
      expect(text).toContain("what you can do for your country.");
      expect(text).toContain("开饭时间上午九点至下午五点");
      expect(await tab.textContent("#error")).toBe("");
    } finally {
      await Promise.all([server.close(), stranger.close()]);
    }
  } finally {
    pages.close();
    if (typeof opened !== "string") await opened.close();
    rmSync(folder, { recursive: true });
  }
});
