import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { recordingOf } from "../support/recording.ts";
import { wavOf16 } from "../support/wav.ts";
import { allDone, pageTests, textOf } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "microphone-"));
const file = join(folder, "speech.wav");
beforeAll(async () => writeFileSync(file, wavOf16((await recordingOf(["en.wav", "zh.wav"], 2)).pcm)));
afterAll(() => rmSync(folder, { recursive: true }));

const { pageTest } = pageTests([
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${file}%noloop`,
]);

pageTest("captions of a microphone: grey, then black, with latency and level, saved afterwards", async ({ page }) => {
  await page.click("nav a[href='#live']");
  await page.click(".live .big");
  await page.waitForFunction(() => (document.querySelector(".captions .partial")?.textContent?.length ?? 0) > 8);
  const colour = (selector: string) => page.$eval(selector, (element) => getComputedStyle(element).color);
  expect(await colour(".captions .partial")).toBe("rgb(86, 93, 89)");
  expect(Number(await page.getAttribute(".meter", "aria-valuenow"))).toBeGreaterThan(10);
  await page.waitForFunction(() => /\d/.test(document.querySelector(".latency")?.textContent ?? ""));
  const latency = Number.parseInt((await page.textContent(".latency")) ?? "", 10);
  expect(latency).toBeGreaterThan(0);
  expect(latency).toBeLessThan(5000);
  await page.waitForFunction(() => document.querySelectorAll(".captions .final").length === 2);
  expect(await colour(".captions .final")).toBe("rgb(26, 29, 27)");
  await page.click(".live .big");
  await page.waitForSelector(".after");
  const finals = await page.locator(".captions .final").allTextContents();
  expect(finals[0]).toContain("what you can do for your country");
  expect(finals[1]).toContain("开饭时间上午九点至下午五点");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.click('.after [aria-label="Save as srt"]'),
  ]);
  expect(download.suggestedFilename()).toMatch(/^Captions .*\.srt$/);
  expect(readFileSync(await download.path(), "utf8")).toContain("开饭时间上午九点至下午五点");
  await page.click("nav a[href='#transcribe']");
  expect(await textOf(page)).toEqual(finals);
});

pageTest("what is recorded is transcribed, and can be played", async ({ page }) => {
  await page.click(".record");
  await page.waitForFunction(() => /0:0[89]|0:1/.test(document.querySelector(".record")?.textContent ?? ""));
  await page.click(".record");
  await allDone(page);
  expect((await textOf(page)).join(" ")).toContain("what you can do for your country");
  await page.click(".play");
  await page.waitForFunction(() => (document.querySelector("audio") as HTMLAudioElement).currentTime > 0.2);
});
