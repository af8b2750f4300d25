/**
 * Pictures of the page for the documentation: `npx tsx scripts/screenshots.ts [FONTS]`. The Chromium of the tests brings no
 * fonts for Chinese, Japanese, Korean and emoji: FONTS is a folder that has some (Debian: fonts-noto-cjk,
 * fonts-noto-color-emoji, fonts-noto-core).
 */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";
import { openChromium } from "../test/support/chromium.ts";
import { recordingOf } from "../test/support/recording.ts";
import { wavOf16 } from "../test/support/wav.ts";
import { serveSite } from "../test/web/serveSite.ts";
import { buildSite } from "./build-site.ts";

const MAX_BYTES = 150_000;
const images = fileURLToPath(new URL("../docs/images", import.meta.url));
const [fonts] = process.argv.slice(2);

interface Picture extends BrowserContextOptions {
  readonly name: string;
  readonly prepare: (page: Page) => Promise<void>;
}

const WIDE = { width: 1280, height: 860 };

/** The example, heard, and played to the middle of a sentence. */
async function hearExample(page: Page): Promise<void> {
  await page.click(".sources button.link");
  await page.waitForSelector(".recording.done", { timeout: 60_000 });
  await page.locator(".transcript [data-at]").nth(6).click();
  await page.mouse.move(0, 0);
}

const PICTURES: readonly Picture[] = [
  { name: "first", viewport: WIDE, prepare: async () => {} },
  { name: "light", viewport: WIDE, prepare: hearExample },
  { name: "dark", viewport: WIDE, colorScheme: "dark", prepare: hearExample },
  {
    name: "narrow",
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 1.5,
    locale: "zh-CN",
    prepare: hearExample,
  },
  {
    name: "captions",
    viewport: { width: 1280, height: 800 },
    prepare: async (page) => {
      await page.click("nav a[href='#live']");
      await page.click(".live button.big");
      await page.waitForFunction(() => document.querySelectorAll(".captions .final").length >= 3, undefined, {
        timeout: 60_000,
      });
      await page.waitForFunction(() => (document.querySelector(".captions .partial")?.textContent?.length ?? 0) > 12);
    },
  },
  {
    name: "models",
    viewport: { width: 1280, height: 1000 },
    prepare: async (page) => {
      await page.click("nav a[href='#models']");
      await page.click(".speed button");
      await page.waitForFunction(() => document.querySelector(".speed p")?.textContent?.includes("×"));
    },
  },
];

const folder = mkdtempSync(join(tmpdir(), "screenshots-"));
try {
  if (fonts) {
    process.env.FONTCONFIG_FILE = join(folder, "fonts.conf");
    writeFileSync(
      process.env.FONTCONFIG_FILE,
      `<fontconfig><dir>${resolve(fonts)}</dir><cachedir>${folder}/cache</cachedir></fontconfig>`,
    );
  }
  const speech = join(folder, "speech.wav");
  const clips = ["en.wav", "zh.wav", "en-angry.wav", "en-itn.wav", "ko.wav"];
  writeFileSync(speech, wavOf16((await recordingOf(clips, 1)).pcm));
  await buildSite(join(folder, "site"));
  const site = await serveSite(join(folder, "site"));
  const opened = await openChromium([
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    `--use-file-for-fake-audio-capture=${speech}%noloop`,
  ]);
  if (typeof opened === "string") throw new Error(opened);
  mkdirSync(images, { recursive: true });
  for (const { name, prepare, ...settings } of PICTURES) {
    const profile = await opened.browser.newContext({ reducedMotion: "reduce", ...settings });
    const page = await profile.newPage();
    await page.goto(site.address);
    await page.waitForSelector("h1");
    await prepare(page);
    await page.waitForTimeout(200);
    const path = join(images, `page-${name}.png`);
    await page.screenshot({ path });
    const { size } = statSync(path);
    console.log(`${path}: ${size} bytes`);
    if (size > MAX_BYTES) process.exitCode = 1;
    await profile.close();
  }
  await opened.close();
  await site.close();
} finally {
  rmSync(folder, { recursive: true });
}
