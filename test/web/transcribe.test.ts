import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { fixture, zhHappy } from "../audio/support.ts";
import { allDone, choose, expectedText, pageTests, sample, textOf } from "./support.ts";

const { pageTest } = pageTests();

const SAMPLES = ["zh", "en", "yue", "ja", "ko", "en-angry", "zh-happy", "applause", "music", "en-applause"];

describe("files become text", () => {
  pageTest("several files, each with the text of Node's engine", async ({ page }) => {
    await choose(
      page,
      SAMPLES.map((name) => sample(`${name}.wav`)),
    );
    await allDone(page);
    expect(await page.textContent(".list-head [role=status]")).toBe(`${SAMPLES.length} of ${SAMPLES.length} done`);
    for (const name of SAMPLES) {
      await page.locator(".recording .open", { has: page.getByText(`${name}.wav`, { exact: true }) }).click();
      expect(await textOf(page)).toEqual([expectedText(`${name}.wav`)]);
    }
  });

  pageTest("in written form, if that is asked for", async ({ page }) => {
    await page.check(".options input[type=checkbox] >> nth=0");
    await choose(page, sample("en-itn.wav"));
    await allDone(page);
    expect(await textOf(page)).toEqual([expectedText("en-itn.wav")]);
  });

  pageTest("a long one in segments, with its emotions and events", async ({ page }) => {
    await page.click(".sources button.link");
    await allDone(page);
    const texts = await textOf(page);
    expect(texts.length).toBeGreaterThan(8);
    expect(texts[0]).toBe(expectedText("en.wav"));
    expect(texts).toContain(expectedText("zh-happy.wav"));
    expect(texts).toContain(expectedText("en-angry.wav"));
    expect(await page.locator(".legend li").allTextContents()).toEqual(expect.arrayContaining(["happy", "angry"]));
    expect(await page.textContent(".meta")).toMatch(/^0:44 · [\d,.]+× real time · tiny · CPU/);
    const colours = await page.$eval(".wave canvas", (canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data } = (canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height);
      const seen = new Set<string>();
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) seen.add(data.slice(i, i + 3).join());
      return [...seen];
    });
    expect(colours).toEqual(expect.arrayContaining(["224,161,0", "217,67,63"])); // happy, angry
  });

  pageTest("one is cancelled, the others go on", async ({ page }) => {
    await choose(page, [sample("en.wav"), sample("zh.wav"), sample("ja.wav")]);
    await page.click('button[aria-label="Cancel zh.wav"]');
    await allDone(page);
    expect(await page.locator(".recording.done .name").allTextContents()).toEqual(["ja.wav", "en.wav"]);
    expect(await page.locator(".recording.cancelled .name").allTextContents()).toEqual(["zh.wav"]);
    await page.click(".recording.cancelled .open");
    await page.click(".box button");
    await allDone(page);
    expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
  });
});

describe("sound comes in", () => {
  pageTest("a folder and a file are dropped: sounds are heard, the rest is counted", async ({ page }) => {
    const folder = mkdtempSync(join(tmpdir(), "dropped-"));
    try {
      mkdirSync(join(folder, "talks/more"), { recursive: true });
      cpSync(sample("zh.wav"), join(folder, "talks/2.wav"));
      cpSync(sample("ja.wav"), join(folder, "talks/more/10.wav"));
      writeFileSync(join(folder, "talks/notes.txt"), "text");
      const session = await page.context().newCDPSession(page);
      const data = { items: [], files: [join(folder, "talks"), sample("en.wav")], dragOperationsMask: 1 };
      for (const type of ["dragEnter", "dragOver"] as const) {
        await session.send("Input.dispatchDragEvent", { type, x: 400, y: 700, data });
      }
      await page.waitForSelector(".drop-veil:visible");
      await session.send("Input.dispatchDragEvent", { type: "drop", x: 400, y: 700, data });
      await allDone(page);
      expect(await page.locator(".recording.done .name").allTextContents()).toEqual(["en.wav", "10.wav", "2.wav"]);
      expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
      expect(await page.textContent(".sources [role=status]")).toBe(
        "1 file in the folder is no sound and was left out.",
      );
      expect(await page.locator(".drop-veil:visible").count()).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a result is used", () => {
  pageTest("a click on a word seeks, the words light up while it plays", async ({ page }) => {
    await choose(page, sample("en.wav"));
    await allDone(page);
    const word = page.locator(".transcript [data-at]").nth(9);
    const at = Number(await word.getAttribute("data-at"));
    expect(at).toBeGreaterThan(1);
    await word.click();
    const time = () => page.$eval("audio", (audio) => (audio as HTMLAudioElement).currentTime);
    expect(await time()).toBeCloseTo(at, 2);
    await page.waitForFunction(
      (text) => document.querySelector(".lit")?.textContent === text,
      await word.textContent(),
    );
    await page.click(".play");
    await page.waitForFunction((index) => {
      const words = [...document.querySelectorAll(".transcript [data-at]")];
      return words.findIndex((element) => element.classList.contains("lit")) > index;
    }, 9);
    await page.click(".play");
    await page.locator(".wave").click({ position: { x: 2, y: 60 } });
    expect(await time()).toBeLessThan(0.1);
  });

  pageTest("what the browser cannot play is decoded and played", async ({ page }) => {
    await choose(page, { name: "clip.aiff", mimeType: "audio/aiff", buffer: aiffOf(zhHappy()) });
    await allDone(page);
    await page.waitForFunction(() => (document.querySelector("audio") as HTMLAudioElement).duration > 1);
    await page.click(".play");
    await page.waitForFunction(() => (document.querySelector("audio") as HTMLAudioElement).currentTime > 0.2);
  });

  pageTest("what only the browser decodes is transcribed: webm", async ({ page }) => {
    const texts = [];
    // The same opus in two containers: the engine reads one of them, the other the browser alone.
    for (const name of ["clip.opus", "clip.webm"]) {
      await choose(page, { name, mimeType: "audio/any", buffer: Buffer.from(fixture(name)) });
      await allDone(page);
      expect(await page.textContent(".result h2")).toBe(name);
      texts.push(await textOf(page));
    }
    expect(texts[0][0]).toMatch(/快.*😊$/u);
    expect(texts[1]).toEqual(texts[0]);
    await page.click(".play");
    await page.waitForFunction(() => (document.querySelector("audio") as HTMLAudioElement).currentTime > 0.2);
  });

  pageTest("a text is edited, saved byte by byte, and there again after a reload", async ({ page }) => {
    await choose(page, sample("en-angry.wav"));
    await allDone(page);
    await page.click(".segment .edit");
    await page.fill(".editor textarea", "please turn on the radio in the hall");
    await page.keyboard.press("Enter");
    const srt = await saved(page, "srt");
    expect(srt.name).toBe("en-angry.srt");
    expect(srt.text).toBe("1\r\n00:00:00,000 --> 00:00:02,662\r\nplease turn on the radio in the hall\r\n\r\n");
    expect((await saved(page, "txt")).text).toBe("please turn on the radio in the hall\n");
    expect((await saved(page, "vtt")).text).toMatch(/^WEBVTT\n\n/);
    const json = JSON.parse((await saved(page, "json")).text);
    expect(json).toMatchObject({ file: "en-angry.wav", emotion: "angry", language: "en" });
    expect(json.segments[0]).toMatchObject({ text: "please turn on the radio in the hall", start: 0, end: 2.662 });
    expect(json.segments[0].words.length).toBeGreaterThan(2);
    await page.reload();
    await page.waitForSelector(".transcript .text");
    expect(await textOf(page)).toEqual(["please turn on the radio in the hall"]);
    expect(await page.textContent(".stage .hint")).toContain("the sound was not");
    await page.setInputFiles(".stage input[type=file]", sample("en-angry.wav"));
    await page.click(".play");
    await page.waitForFunction(() => (document.querySelector("audio") as HTMLAudioElement).currentTime > 0.2);
  });

  pageTest("a recording that was removed comes back", async ({ page }) => {
    await choose(page, [sample("zh.wav"), sample("ja.wav")]);
    await allDone(page);
    await page.click('[aria-label="Remove zh.wav"]');
    expect(await page.locator(".recording .name").allTextContents()).toEqual(["ja.wav"]);
    await page.click(".undo button");
    expect(await page.locator(".recording .name").allTextContents()).toEqual(["ja.wav", "zh.wav"]);
    expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
    await page.reload();
    await page.waitForSelector(".recording");
    expect(await page.locator(".recording .name").allTextContents()).toEqual(["ja.wav", "zh.wav"]);
  });

  pageTest("everything is forgotten with one button", async ({ page }) => {
    await page.selectOption(".options select >> nth=0", "ja");
    await choose(page, sample("ja.wav"));
    await allDone(page);
    await page.click("nav a[href='#models']");
    await page.click("button.danger");
    await page.click("dialog button.danger");
    await page.waitForSelector(".transcribe.first");
    expect(await page.inputValue(".options select >> nth=0")).toBe("auto");
    await page.click("nav a[href='#models']");
    await page.waitForFunction(() => document.querySelector(".model .hint")?.textContent?.startsWith("Comes with"));
  });
});

async function saved(page: Parameters<typeof textOf>[0], format: string): Promise<{ name: string; text: string }> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(`[aria-label="Save as ${format}"]`)]);
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
}

/** An aiff file of 16-bit samples at 16 kHz. */
function aiffOf(samples: Int16Array): Buffer {
  const rate = Buffer.from([0x40, 0x0c, 0xfa, 0, 0, 0, 0, 0, 0, 0]); // 16 000 as an 80-bit float
  const common = Buffer.alloc(8);
  common.writeInt16BE(1, 0);
  common.writeUInt32BE(samples.length, 2);
  common.writeInt16BE(16, 6);
  const body = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength).swap16();
  const chunk = (id: string, ...parts: Buffer[]) => {
    const contents = Buffer.concat(parts);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(contents.length);
    return Buffer.concat([Buffer.from(id), size, contents]);
  };
  const sound = chunk("SSND", Buffer.alloc(8), body);
  return chunk("FORM", Buffer.from("AIFF"), chunk("COMM", common, rate), sound);
}
