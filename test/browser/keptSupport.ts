import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { buildSite, openBrowser, openPage, removeFolder, root, sendFile, serveSite } from "./support.ts";

export const SIZE = 13_800_612;
export const BYTES = SIZE + 13_944;
export const TEXT = "祝你生日快乐😊";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface Place {
  /** Of the server whose /models has the demonstration model, in any folder. */
  readonly address: string;
  /** A browser's profile: tabs of it share their storage. */
  context: BrowserContext;
  /** What was asked for below /models, with the byte it began at. */
  asked: string[];
  /** How a request for the weights is answered instead; "down": nothing below /models is. */
  weights: Answer | "down" | undefined;
  open(): Promise<Page>;
}

/** For each test of a file an empty profile, and a server. */
export function usePlace(): Place {
  let site: string;
  let server: Awaited<ReturnType<typeof serveSite>>;
  let chromium: Awaited<ReturnType<typeof openBrowser>>;
  const place: Place = {
    get address() {
      return server.address;
    },
    context: undefined as unknown as BrowserContext,
    asked: [],
    weights: undefined,
    open: () => openPage(place.context, server.address),
  };

  function answer(path: string, request: IncomingMessage, response: ServerResponse): boolean {
    if (!path.startsWith("/models/")) return false;
    const range = request.headers.range?.replace("bytes=", "") ?? "";
    place.asked.push(`${request.method} ${path.split("/").at(-1)} ${range}`.trim());
    const file = join(root, "weights", path.replace("/models/", "").replace(/^[^/]+/, "tiny"));
    if (place.weights === "down") response.destroy();
    else if (place.weights && path.endsWith(".safetensors")) place.weights(request, response);
    else if (path.includes("/vad/")) response.writeHead(404).end();
    else sendFile(file, request, response);
    return true;
  }

  beforeAll(async () => {
    [site, chromium] = [await buildSite(), await openBrowser()];
    server = await serveSite({ folders: [site, root], answer });
  });

  beforeEach(async (test) => {
    [place.asked, place.weights] = [[], undefined];
    if (typeof chromium === "string") return test.skip(`Chromium: ${chromium}`);
    place.context = await chromium.browser.newContext();
  });

  afterEach(() => place.context?.close());

  afterAll(async () => {
    if (typeof chromium !== "string") await chromium.close();
    await server.close();
    removeFolder(site);
  });
  return place;
}

/** What a page hears with a model, or the error's message; and the bytes that its progress told of. */
export async function hear(
  page: Page,
  options: { model: string; keep?: boolean | string; vadModel?: string },
  entry = "here",
) {
  return page.evaluate(
    async ({ options, entry }) => {
      const downloaded: number[] = [];
      try {
        const engine = await globalThis[entry as "here"].createEngine({
          ...{ device: "cpu", threads: 1, ...options },
          onProgress: ({ task, done }) => void (task === "download" && downloaded.push(done)),
        });
        const { text } = await engine.run(await here.readAudio("/samples/zh-happy.wav"));
        await engine.close();
        return { text, downloaded };
      } catch (error) {
        return { text: String(error), downloaded };
      }
    },
    { options, entry },
  );
}

export const model = "/models/tiny";
export const list = (page: Page) =>
  page.evaluate(async () => (await here.listModels()).map((m) => ({ ...m, date: +m.date })));
/** The files of the only model that is kept, by name. */
export const kept = (page: Page) =>
  page.evaluate(async () => {
    const sizes: Record<string, number> = {};
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle("sensevoice-models");
    for await (const folder of (models as unknown as { values(): AsyncIterable<FileSystemDirectoryHandle> }).values()) {
      for await (const file of (folder as unknown as { values(): AsyncIterable<FileSystemFileHandle> }).values()) {
        sizes[file.name] = (await file.getFile()).size;
      }
    }
    return sizes;
  });
