import { readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { randomizer } from "../support/random.ts";
import { wavOf16 } from "../support/wav.ts";
import { allDone, choose, expectedText, longestTask, pageTests, sample, textOf } from "./support.ts";

const { pageTest, folder } = pageTests(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]);

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

async function expectAccessible(page: Page, state: string): Promise<void> {
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    return (await axe.run()).violations;
  });
  const told = violations.map(({ id, nodes }) => `${state}: ${id}: ${nodes[0].html}: ${nodes[0].failureSummary}`);
  expect(told).toEqual([]);
  for (const width of [1440, 360]) {
    await page.setViewportSize({ width, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide, `${state}: width`).toBeLessThanOrEqual(width);
  }
}

/** Takes a while. */
const noise = Buffer.from(wavOf16(randomizer(1)([600 * 16_000], 0.1).data as Float32Array));

/** Each state of the page. */
const STATES: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
  first: async () => {},
  result: async (page) => {
    await page.click(".sources button.link");
    await allDone(page);
  },
  editing: (page) => page.click(".segment .edit >> nth=0"),
  problem: async (page) => {
    const name = "a name without a place where it could be broken_".repeat(3).replaceAll(" ", "_");
    await choose(page, { name: `${name}.txt`, mimeType: "text/plain", buffer: Buffer.from("text ".repeat(200)) });
    await allDone(page);
    await page.click(".recording.failed .open");
    await page.click(".problem summary");
  },
  cancelled: async (page) => {
    await choose(page, { name: "noise.wav", mimeType: "audio/wav", buffer: noise });
    await page.click('[aria-label="Cancel noise.wav"], [aria-label="取消 noise.wav"]');
    await page.click(".recording.cancelled .open");
    await allDone(page);
  },
  removed: (page) => page.click(".recording:first-child > .icon-only"),
  live: (page) => page.click("nav a[href='#live']"),
  listening: async (page) => {
    await page.click(".live .big");
    await page.waitForFunction(() => document.querySelector(".latency")?.checkVisibility());
    await page.waitForTimeout(1500);
    await page.click(".live .big");
    await page.waitForSelector(".live .big.accent");
  },
  models: async (page) => {
    await page.click("nav a[href='#models']");
    await page.waitForSelector(".abilities");
  },
  forgetting: (page) => page.click("button.danger"),
};

describe("axe-core finds nothing, and nothing overflows", () => {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const locale of ["en-GB", "zh-CN"]) {
      pageTest(
        `${colorScheme}, ${locale}`,
        async ({ page }) => {
          await page.evaluate(axe);
          for (const [state, enter] of Object.entries(STATES)) {
            await enter(page);
            await expectAccessible(page, state);
          }
        },
        // Colours are looked at when they have changed, not while they change.
        { colorScheme, locale, reducedMotion: "reduce", viewport: { width: 1440, height: 800 }, bypassCSP: true },
      );
    }
  }
});

describe("by keyboard alone", () => {
  pageTest("a file is chosen, transcribed, played, edited and saved", async ({ page }) => {
    const press = (key: string) => page.keyboard.press(key);
    /** Tab until the element that has the focus fits. */
    const tabTo = async (selector: string) => {
      for (let i = 0; i < 60; i++) {
        await press("Tab");
        if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return;
      }
      throw new Error(`no way by Tab to ${selector}`);
    };
    // Listened for from the start: a key comes sooner than the browser learns that its own window is not wanted.
    page.on("filechooser", (chooser) => chooser.setFiles(sample("en.wav")));
    await press("Tab");
    expect(await page.evaluate(() => document.activeElement?.className)).toBe("skip");
    await press("Enter");
    await tabTo(".sources .accent");
    expect(await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)).toBe("solid");
    await press("Enter");
    await allDone(page);
    expect(await textOf(page)).toEqual([expectedText("en.wav")]);
    await tabTo(".wave");
    await press("End");
    await press("ArrowLeft");
    const time = await page.$eval("audio", (audio) => (audio as HTMLAudioElement).currentTime);
    expect(time).toBeGreaterThan(0.5);
    expect(time).toBeLessThan(1);
    await tabTo(".play");
    await press("Space");
    await page.waitForFunction(
      (from) => (document.querySelector("audio") as HTMLAudioElement).currentTime > from,
      time,
    );
    await press("Space");
    await tabTo(".segment .edit");
    await press("Enter");
    await page.keyboard.insertText("ask");
    await press("Escape");
    expect(await textOf(page)).toEqual([expectedText("en.wav")]);
    await press("Enter");
    await press("Control+A");
    await page.keyboard.insertText("Ask.");
    await press("Enter");
    expect(await textOf(page)).toEqual(["Ask."]);
    expect(await page.evaluate(() => document.activeElement?.className)).toContain("edit");
    for (let i = 0; i < 40; i++) {
      await press("Shift+Tab");
      if (await page.evaluate(() => document.activeElement?.matches("[aria-label='Save as txt']"))) break;
    }
    const [download] = await Promise.all([page.waitForEvent("download"), press("Enter")]);
    expect(readFileSync(await download.path(), "utf8")).toBe("Ask.\n");
  });

  pageTest("language and theme are switched, and remembered", async ({ page }) => {
    const shown = async () => ({
      lang: await page.getAttribute("html", "lang"),
      title: await page.textContent("h1"),
      paper: await page.$eval("body", (body) => getComputedStyle(body).backgroundColor),
    });
    const light = await shown();
    expect(light).toMatchObject({ lang: "en", paper: "rgb(251, 250, 247)" });
    await page.focus(".switches button >> nth=0");
    await page.keyboard.press("Enter");
    await page.focus(".switches button >> nth=1");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    const dark = { lang: "zh-CN", title: "听清说了什么，也听出怎么说的。", paper: "rgb(19, 21, 20)" };
    expect(await shown()).toEqual(dark);
    await page.reload();
    await page.waitForSelector("h1");
    expect(await shown()).toEqual(dark);
  });
});

describe("quick", () => {
  pageTest("no task of the page is longer than 50 ms while it transcribes", async ({ page }) => {
    await page.click(".sources button.link");
    await allDone(page);
    const longest = await longestTask(page, async () => {
      await choose(page, ["en.wav", "zh.wav", "ja.wav"].map(sample));
      await allDone(page);
    });
    expect(longest).toBeLessThanOrEqual(50);
  });

  pageTest("files can be chosen within 2 s of the first byte", async ({ page, site }) => {
    const begin = performance.now();
    await page.goto(`${site.address}?again`);
    await page.click("main button.accent", { trial: true });
    expect(performance.now() - begin).toBeLessThanOrEqual(2000);
  });

  pageTest("the first load without a model is at most 150 KB, gzipped", async ({ page, site }) => {
    await page.click("nav a[href='#models']");
    await page.waitForSelector(".abilities");
    await page.evaluate(async () => void (await navigator.serviceWorker.ready)); // what it keeps at once counts too
    const files = new Set(site.asked.map((path) => path.replace("/some/where/", "") || "index.html"));
    expect(files).toContain("index.html");
    expect(files).toContain("sw.js");
    expect([...files].filter((file) => file.endsWith(".js")).length).toBeGreaterThanOrEqual(2); // page and worker
    let bytes = 0;
    for (const file of files) bytes += gzipSync(readFileSync(join(folder, file))).length;
    expect(bytes).toBeGreaterThan(20_000);
    expect(bytes).toBeLessThanOrEqual(150_000);
  });
});

test("every script of the built site but decoders, kernels and speakers is in the first 150 KB, should it be needed", () => {
  const assets = join(folder, "assets");
  const files = readdirSync(assets).filter(
    (name) => !/^(decode-|flac-|quantize-|kernels-|funasr-|open-|live-)/.test(name),
  );
  expect(files.length).toBeGreaterThan(5);
  const bytes = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(assets, name))).length, 0);
  expect(statSync(join(folder, "index.html")).size + bytes).toBeLessThanOrEqual(150_000);
});
