import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { allDone, choose, expectedText, longestTask, pageTests, sample, textOf } from "./support.ts";

const { pageTest, folder: site } = pageTests();

const [RATE, SECONDS, EVERY] = [16_000, 7200, 600];

pageTest("two hours: every segment, its place in the wave form, and a page that never stalls", async ({ page }) => {
  const folder = mkdtempSync(join(tmpdir(), "long-"));
  try {
    const file = join(folder, "hours.wav");
    writeHours(file);
    await choose(page, sample("zh.wav")); // starts the worker
    await allDone(page);
    const longest = await longestTask(page, async () => {
      await choose(page, file);
      await page.waitForSelector('.recording:has-text("hours.wav").done', { timeout: 90_000 });
      await textOf(page);
    });
    expect(longest).toBeLessThanOrEqual(50);
    const texts = await textOf(page);
    expect(texts.filter((text) => text === expectedText("zh-happy.wav")).length).toBe(SECONDS / EVERY);
    expect(await page.textContent(".meta")).toMatch(/^2:00:00 · /);
    await page.locator(".segment .time").last().click();
    const time = await page.$eval("audio", (audio) => (audio as HTMLAudioElement).currentTime);
    expect(time).toBeGreaterThan(SECONDS - EVERY);
    await page.reload();
    await page.waitForSelector(".transcript .text");
    expect(await textOf(page)).toEqual(texts);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** The example every ten minutes, silence between. A file with holes: it takes little of the disk. */
function writeHours(path: string): void {
  const demo = readFileSync(join(site, "demo.wav"));
  const header = Buffer.from(demo.subarray(0, 44));
  const bytes = 2 * RATE * SECONDS;
  header.writeUInt32LE(36 + bytes, 4);
  header.writeUInt32LE(bytes, 40);
  const file = openSync(path, "w");
  ftruncateSync(file, 44 + bytes);
  writeSync(file, header, 0, 44, 0);
  for (let at = 0; at < SECONDS; at += EVERY) writeSync(file, demo, 44, demo.length - 44, 44 + 2 * RATE * at);
  closeSync(file);
}
