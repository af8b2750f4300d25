import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, test } from "vitest";
import { buildSite } from "../../scripts/build-site.ts";
import { openChromium } from "../support/chromium.ts";
import { type Site, serveSite } from "./serveSite.ts";

export interface Tab {
  readonly page: Page;
  readonly site: Site;
  /** What the page said on its console as an error, and requests to other hosts. */
  readonly complaints: string[];
}

interface TabOptions extends BrowserContextOptions {
  readonly isolated?: boolean;
  /** Runs in the page before its scripts. */
  readonly init?: () => void;
  /** Changes the page's scripts: for what a browser lacks. */
  readonly rewrite?: (script: string) => string;
  /** Whether the test is about another host. */
  readonly elsewhere?: boolean;
  /** Errors on the console that the test is about. */
  readonly expected?: RegExp;
}

/** Tests of the built page in one Chromium; skipped where none starts. `flags` are those of its command line. */
export function pageTests(flags: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "site-"));
  let chromium: Exclude<Awaited<ReturnType<typeof openChromium>>, string> | string;
  beforeAll(async () => {
    [chromium] = await Promise.all([openChromium(flags), buildSite(folder)]);
  });
  afterAll(async () => {
    if (typeof chromium !== "string") await chromium.close();
    rmSync(folder, { recursive: true });
  });

  /** A test with a tab of its own, in a profile of its own, on the page. It fails if the page complains. */
  function pageTest(name: string, run: (tab: Tab) => Promise<void>, options: TabOptions = {}): void {
    test(name, async (context) => {
      if (typeof chromium === "string") return context.skip(`Chromium: ${chromium}`);
      const { isolated = true, init, rewrite, expected, elsewhere, ...settings } = options;
      const site = await serveSite(folder, { isolated });
      const profile = await chromium.browser.newContext({ locale: "en-GB", ...settings });
      const complaints: string[] = [];
      try {
        const page = await profile.newPage();
        page.setDefaultTimeout(30_000);
        page.on("console", (message) => {
          if (message.type() === "error" && !expected?.test(message.text())) complaints.push(message.text());
        });
        page.on("pageerror", (error) => complaints.push(String(error.stack)));
        page.on("request", (request) => {
          const url = request.url();
          if (!elsewhere && !url.startsWith(new URL(site.address).origin) && !/^(blob|data):/.test(url))
            complaints.push(`asked for ${url}`);
        });
        if (init) await page.addInitScript(init);
        if (rewrite) site.rewrite = rewrite;
        await page.goto(site.address);
        await page.waitForSelector("h1");
        await run({ page, site, complaints });
        if (complaints.length > 0) throw new Error(complaints.join("\n"));
      } finally {
        await profile.close();
        await site.close();
      }
    });
  }
  return { pageTest, folder };
}

export function sample(name: string): string {
  return fileURLToPath(new URL(`../../samples/${name}`, import.meta.url));
}

/** What the model says of a sample as a whole. */
export function expectedText(name: string): string {
  const lines = readFileSync(sample("expected.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line)).find(({ file }) => file === name).text;
}

/** Chooses files, as a person would in the window that opens. */
export async function choose(page: Page, files: Parameters<Page["setInputFiles"]>[1]): Promise<void> {
  await page.setInputFiles("input[type=file][multiple]:not([webkitdirectory])", files);
}

/** Resolves once every recording is over. */
export async function allDone(page: Page): Promise<void> {
  await page.waitForSelector(".recording");
  await page.waitForFunction(() => !document.querySelector(".recording.waiting, .recording.working"), undefined, {
    timeout: 90_000,
  });
}

export async function textOf(page: Page): Promise<string[]> {
  await page.waitForSelector(".transcript:not([aria-busy]) .text");
  return page.locator(".transcript .text").allTextContents();
}

/** A file of this machine as the page is given it. */
export function fileOf(path: string): { name: string; mimeType: string; buffer: Buffer } {
  return { name: basename(path), mimeType: "audio/wav", buffer: readFileSync(path) };
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/**
 * How long the page's longest task takes meanwhile, in milliseconds of the processor's time: a `longtask` entry would
 * also count how long other programs, or the engine's own threads, kept the page's thread waiting.
 */
export async function longestTask(page: Page, run: () => Promise<void>): Promise<number> {
  const browser = page.context().browser()!;
  await browser.startTracing(page, { categories: ["toplevel"] });
  await run();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const thread = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const pages = new Set(traceEvents.filter(({ args }) => args?.name === "CrRendererMain").map(thread));
  const tasks = traceEvents.filter((event) => event.name.endsWith("RunTask") && pages.has(thread(event)));
  if (tasks.length < 100) throw new Error(`expected hundreds of tasks, got ${tasks.length}`);
  return tasks.reduce((most, { tdur = 0 }) => Math.max(most, tdur / 1000), 0);
}
