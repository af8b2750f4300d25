import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { writeSpeakerFolder } from "../convert/speakerFolder.ts";
import { recordingOf } from "../support/recording.ts";
import { wavOf16 } from "../support/wav.ts";
import type { Site } from "./serveSite.ts";
import { allDone, choose, expectedText, pageTests, sample, textOf } from "./support.ts";

const scratch = mkdtempSync(join(tmpdir(), "speakers-"));
const speaker = join(scratch, "speaker");
const microphone = join(scratch, "microphone.wav");
beforeAll(async () => {
  writeSpeakerFolder(scratch);
  await convertModel(scratch, speaker, { dtype: "f16" });
  writeFileSync(microphone, wavOf16((await recordingOf(["en.wav"], 1)).pcm));
});
afterAll(() => rmSync(scratch, { recursive: true }));

const { pageTest } = pageTests([
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${microphone}%noloop`,
]);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    return (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
  });
  expect(violations).toEqual([]);
}

async function saved(page: Page, format: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.click(`[aria-label="Save as ${format}"]:visible`),
  ]);
  return readFileSync(await download.path(), "utf8");
}

const SPEAKERS = ".options .toggle:has-text('Speakers')";

pageTest("with a speaker model of its own the page says who speaks, and keeps the model", async ({ page, site }) => {
  site.answer = (request, response) => {
    const file = join(speaker, request.url?.replace("/some/where/voices/", "") ?? "");
    if (!request.url?.includes("/voices/")) return false;
    if (!existsSync(file)) response.writeHead(404).end();
    else
      response
        .setHeader("Content-Length", readFileSync(file).length)
        .end(request.method === "HEAD" ? "" : readFileSync(file));
    return true;
  };
  expect(await page.locator(SPEAKERS).isVisible()).toBe(false);
  await choose(page, sample("zh.wav"));
  await allDone(page);
  expect(await page.locator(".speaker").count()).toBe(0);
  await page.click("nav a[href='#models']");
  await page.fill(".speaker-address", "voices/");
  await page.press(".speaker-address", "Tab");
  await page.click("nav a[href='#transcribe']");
  await page.click(SPEAKERS);
  expect(site.asked.filter((path) => path.includes("voices/model"))).toEqual([]);
  await choose(page, sample("en.wav"));
  await allDone(page);
  expect(await textOf(page)).toEqual([expectedText("en.wav")]);
  expect(await page.locator(".transcript .speaker").allTextContents()).toEqual(["S1"]);
  expect(await saved(page, "srt")).toContain(`S1: ${expectedText("en.wav").slice(0, 9)}`);
  await page.click("nav a[href='#models']");
  await page.click(`[aria-label='Remove ${site.address}voices/']`);
  await page.waitForFunction(() => document.querySelectorAll(".model").length === 2);
});

const [ONE, TWO] = ["Who is there?", "It is me."];
const line = (speaker: string, text: string, start: number) => {
  const words = text
    .split(" ")
    .map((word, i) => ({ word, start: start + i / 2, end: start + (i + 1) / 2, confidence: 1, speaker }));
  const tags = { language: "en", emotion: "neutral", events: [], tokens: [], confidence: 1 };
  return { start, end: start + 2, text, raw: text, words, speaker, ...tags };
};

/** The page as if a service served it, whose answers are these lines. */
async function serve(page: Page, site: Site, speakers = true): Promise<string[]> {
  const bodies: string[] = [];
  site.answer = (request: IncomingMessage, response) => {
    const path = request.url?.replace("/some/where", "");
    if (path === "/web.json") response.end(JSON.stringify({ service: true, speakers }));
    else if (path === "/v1/models") response.end(JSON.stringify({ data: [{ id: "small" }] }));
    else if (path === "/v1/transcribe") {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        bodies.push(Buffer.concat(parts).toString("latin1"));
        const lines = [line("S1", ONE, 0), line("S2", TWO, 2), line("S1", ONE, 4)];
        response.end(lines.map((said) => JSON.stringify(said)).join("\n"));
      });
    } else return false;
    return true;
  };
  await page.reload();
  await page.waitForFunction(() =>
    document.querySelector("footer")?.textContent?.includes("Sound goes to the service"),
  );
  return bodies;
}

pageTest("names are given with the keyboard, stand in what is saved, and stay", async ({ page, site }) => {
  const bodies = await serve(page, site);
  await page.click(SPEAKERS);
  await choose(page, sample("en.wav"));
  await allDone(page);
  expect(bodies[0]).toMatch(/name="speakers"\r\n\r\ntrue\r\n/);
  expect(await page.locator(".transcript .speaker").allTextContents()).toEqual(["S1", "S2", "S1"]);
  expect(await page.locator(".speakers li").allTextContents()).toEqual(["S167%", "S233%"]);
  const colours = await page.$eval(".wave canvas", (canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const { data } = (canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, height - 1, width, 1);
    return [...new Set(Array.from({ length: width }, (_, x) => data.slice(4 * x, 4 * x + 3).join()))];
  });
  expect(colours).toEqual(expect.arrayContaining(["150,60,255", "45,150,120"]));
  await page.focus(".transcript .speaker >> nth=1");
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Name of S2");
  await expectAccessible(page);
  await page.keyboard.type("Ann");
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Ann: change the name");
  await page.click(".speakers .speaker >> nth=0");
  await page.keyboard.type("nobody");
  await page.keyboard.press("Escape");
  expect(await page.locator(".transcript .speaker").allTextContents()).toEqual(["S1", "Ann", "S1"]);
  await expectAccessible(page);
  expect(await saved(page, "txt")).toBe(`S1: ${ONE}\nAnn: ${TWO}\nS1: ${ONE}\n`);
  expect(await saved(page, "vtt")).toContain(`<v Ann>${TWO}`);
  expect(JSON.parse(await saved(page, "json")).segments[1].words[0].speaker).toBe("Ann");
  await page.reload();
  await textOf(page);
  expect(await page.locator(".transcript .speaker").allTextContents()).toEqual(["S1", "Ann", "S1"]);
  await page.click(".transcript .speaker >> nth=1");
  await page.fill(".transcript li:nth-child(2) .speaker-name", "");
  await page.keyboard.press("Enter");
  expect(await page.locator(".transcript .speaker").allTextContents()).toEqual(["S1", "S2", "S1"]);
});

pageTest(
  "captions say who speaks; a speaker who turns out to be another is renamed in them",
  async ({ page, site }) => {
    let address = "";
    await page.routeWebSocket(/v1\/live/, (socket) => {
      address = socket.url();
      const tell = (message: object) => socket.send(JSON.stringify(message));
      tell({ ...line("S1", ONE, 0), final: true, stable: ONE.length });
      tell({ ...line("S2", TWO, 2), final: true, stable: TWO.length });
      const renamed = [{ from: "S2", to: "S1" }];
      setTimeout(() => tell({ ...line("S1", TWO, 4), final: true, stable: TWO.length, renamed }), 500);
      socket.onMessage((message) => {
        if (typeof message !== "string") return;
        tell({ type: "done" });
        void socket.close({ code: 1000 });
      });
    });
    await serve(page, site);
    await page.click(SPEAKERS);
    await page.click("nav a[href='#live']");
    await page.click(".live .big");
    const finals = () => page.locator(".captions .final").allTextContents();
    await page.waitForFunction(() => document.querySelectorAll(".captions .final").length === 2);
    expect(await finals()).toEqual([`S1: ${ONE}`, `S2: ${TWO}`]);
    await page.waitForFunction(() => document.querySelectorAll(".captions .final").length === 3);
    expect(await finals()).toEqual([`S1: ${ONE}`, `S1: ${TWO}`, `S1: ${TWO}`]);
    expect(address).toContain("speakers=true");
    await page.click(".live .big");
    await page.waitForSelector(".after");
    expect(await saved(page, "txt")).toBe(`S1: ${ONE}\nS1: ${TWO}\nS1: ${TWO}\n`);
  },
);

pageTest("a service that has no speaker model is not asked", async ({ page, site }) => {
  const bodies = await serve(page, site, false);
  expect(await page.locator(SPEAKERS).isVisible()).toBe(false);
  await page.evaluate(() => localStorage.setItem("sensevoice.speakers", "true"));
  await serve(page, site, false);
  await choose(page, sample("en.wav"));
  await allDone(page);
  expect([bodies, ...bodies].join()).not.toContain("speakers");
});
