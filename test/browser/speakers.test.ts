import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { createEngine, readAudio } from "../../src/node.ts";
import { writeSpeakerFolder } from "../convert/speakerFolder.ts";
import { seededSpeakerTensors } from "../support/campplus.ts";
import { recordingOf } from "../support/recording.ts";
import { wavOf16 } from "../support/wav.ts";
import { buildSite, openBrowser, openPage, removeFolder, root, serveSite } from "./support.ts";

const scratch = mkdtempSync(join(tmpdir(), "sensevoice-speakers-"));
const speaker = join(scratch, "speaker");
let site: string;
let chromium: Awaited<ReturnType<typeof openBrowser>>;
let server: Awaited<ReturnType<typeof serveSite>>;
let recording: Uint8Array;
let asked: string[] = [];
let down = false;

beforeAll(async () => {
  writeSpeakerFolder(scratch, [...seededSpeakerTensors()], "model: CAMPPlus\n");
  [site, chromium] = [await buildSite(), await openBrowser()];
  await convertModel(scratch, speaker, { dtype: "f16", name: "random" });
  recording = wavOf16((await recordingOf(["en.wav", "zh.wav", "en.wav"], 2)).pcm);
  server = await serveSite({
    folders: [
      site,
      root,
      ["/with/speaker/", speaker],
      ["/elsewhere/", speaker],
      ["/with/", join(root, "weights/tiny")],
    ],
    answer: (path, { method }, response) => {
      if (path.startsWith("/with/") || path.startsWith("/elsewhere/")) asked.push(`${method} ${path}`);
      if (down && path.startsWith("/with/")) response.destroy();
      else if (path === "/recording.wav") response.end(recording);
      else return false;
      return true;
    },
  });
}, 60_000);

afterAll(async () => {
  if (typeof chromium !== "string") await chromium.close();
  await server.close();
  removeFolder(site);
  rmSync(scratch, { recursive: true });
});

function inProfile(name: string, run: (profile: BrowserContext) => Promise<void>): void {
  test(name, async (context) => {
    if (typeof chromium === "string") return context.skip(`Chromium: ${chromium}`);
    const profile = await chromium.browser.newContext();
    [asked, down] = [[], false];
    await run(profile).finally(() => profile.close());
  }, 60_000);
}

interface Said {
  readonly voice: number[];
  readonly segments: [speaker: string | undefined, text: string, words: (string | undefined)[]][];
  readonly live: [speaker: string | undefined, text: string][];
}

/** What an engine in a page says of the recording, whose first voice it knows; or the error. */
const hear = (page: Page, entry: "here" | "remote", options: { model: string; speakerModel?: string }) =>
  page.evaluate(
    async ({ entry, options }): Promise<Said | string> => {
      const engine = await globalThis[entry as "here"].createEngine({
        ...{ device: "cpu", threads: 1, weights: "f16" },
        ...options,
      });
      try {
        const voice = await engine.embedVoice(await here.readAudio("/samples/en.wav"), { vad: "energy" });
        const people = [{ name: "Ann", embeddings: [voice] }];
        const asked = { speakers: true, people, timestamps: true, vad: "energy" } as const;
        const pcm = await here.readAudio("/recording.wav");
        const segments: Said["segments"] = [];
        for await (const { speaker, text, words } of engine.transcribe(pcm, { ...asked, mergeSeconds: 0 })) {
          segments.push([speaker, text, words?.map((word) => word.speaker) ?? []]);
        }
        const stream = engine.stream(asked);
        void stream.write(pcm);
        stream.end();
        const live: Said["live"] = [];
        for await (const { final, speaker, text } of stream) if (final) live.push([speaker, text]);
        return { voice: [...voice], segments, live };
      } catch (error) {
        return String(error);
      } finally {
        await engine.close();
      }
    },
    { entry, options },
  );

async function nodeSays(): Promise<Said> {
  const engine = await createEngine({
    ...{ model: "tiny", device: "cpu", threads: 1, weights: "f16", speakerModel: speaker },
  });
  const voice = await engine.embedVoice(join(root, "samples/en.wav"), { vad: "energy" });
  const people = [{ name: "Ann", embeddings: [voice] }];
  const asking = { speakers: true, people, timestamps: true, vad: "energy" } as const;
  const segments: Said["segments"] = [];
  for await (const { speaker, text, words } of engine.transcribe(recording, { ...asking, mergeSeconds: 0 })) {
    segments.push([speaker, text, words?.map((word) => word.speaker) ?? []]);
  }
  const stream = engine.stream(asking);
  void stream.write(await readAudio(recording));
  stream.end();
  const live: Said["live"] = [];
  for await (const { final, speaker, text } of stream) if (final) live.push([speaker, text]);
  await engine.close();
  return { voice: [...voice], segments, live };
}

inProfile("in the page and in a Worker speakers are those of Node, known people among them", async (profile) => {
  const page = await openPage(profile, server.address);
  const { voice, ...said } = await nodeSays();
  expect(said.segments.map(([speaker]) => speaker)).toContain("Ann");
  expect(said.live.map(([speaker]) => speaker)).toContain("Ann");
  for (const entry of ["here", "remote"] as const) {
    const heard = await hear(page, entry, { model: "tiny", speakerModel: "/elsewhere" });
    if (typeof heard === "string") throw new Error(heard);
    expect({ segments: heard.segments, live: heard.live }).toEqual(said);
    const far = heard.voice.map((value, i) => Math.abs(value - voice[i]));
    expect(Math.max(...far)).toBeLessThan(1e-4);
  }
});

inProfile("a model's own is found, fetched once speakers are asked for, and kept", async (profile) => {
  const page = await openPage(profile, server.address);
  const run = (options: object) =>
    page.evaluate(async (options) => {
      const engine = await here.createEngine({ device: "cpu", threads: 1, model: "/with", ...options });
      await engine.run(await here.readAudio("/samples/zh-happy.wav"));
      await engine.close();
    }, options);
  await run({});
  expect(asked.filter((line) => line.includes("speaker"))).toEqual([]);
  const first = await hear(page, "remote", { model: "/with" });
  expect(first).toHaveProperty("segments");
  expect(asked.filter((line) => line.endsWith("/with/speaker/model.safetensors"))).toHaveLength(1);
  const names = await page.evaluate(async () => (await here.listModels()).map(({ name, kind }) => [name, kind]));
  const address = new URL("/with", server.address).href;
  expect(names.toSorted()).toEqual([
    [address, "sensevoice"],
    [`${address}/speaker`, "sensevoice-speaker"],
  ]);
  down = true;
  expect(await hear(page, "here", { model: "/with" })).toEqual(first);
  down = false;
  await page.evaluate(async () => {
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle("sensevoice-models");
    type Folder = FileSystemDirectoryHandle & { values(): AsyncIterable<FileSystemDirectoryHandle> };
    for await (const folder of (models as Folder).values()) {
      for await (const file of (folder as Folder).values()) {
        const { size } = await (file as unknown as FileSystemFileHandle).getFile();
        if (size < 20e6) continue;
        const writable = await (file as unknown as FileSystemFileHandle).createWritable({ keepExistingData: true });
        await writable.write({ type: "write", position: size / 2, data: new Uint8Array([1, 2, 3]) });
        await writable.close();
      }
    }
  });
  asked = [];
  expect(await hear(page, "remote", { model: "/with" })).toEqual(first);
  expect(asked.filter((line) => line.endsWith("/with/speaker/model.safetensors"))).toHaveLength(1);
});

inProfile("where there is none, or another model, it is one line", async (profile) => {
  const page = await openPage(profile, server.address);
  expect(await hear(page, "remote", { model: "tiny" })).toMatch(
    /^SenseVoiceError: \[engine\] speakers: expected a speaker model, found none/,
  );
  expect(await hear(page, "here", { model: "tiny", speakerModel: "/weights/tiny" })).toMatch(
    /^SenseVoiceError: .*config\.json.*format: expected "sensevoice-speaker", got "sensevoice"/,
  );
});
