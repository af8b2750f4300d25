import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildSite, openBrowser, openPage, removeFolder, root, serveSite } from "./support.ts";

/** Folder of a model of SenseVoiceSmall's size with int8 weights; random ones do. Unless set, the test is skipped. */
const folder = process.env.SENSEVOICE_FULL;
const MIB = 2 ** 20;

/**
 * Bytes in memory that belong to the process that draws the pages alone: Chromium's own measure (private footprint). The
 * program's file, which all its processes share, is not among them.
 */
function rendererBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  return of("RssAnon") + of("RssShmem") + of("VmSwap");
}

test.skipIf(!folder)(
  "a full-size int8 model: under 450 MB of the renderer's memory, 2 s from storage",
  async (test) => {
    const [site, chromium] = [await buildSite(), await openBrowser()];
    const server = await serveSite({ folders: [site, folder as string, root] });
    try {
      if (typeof chromium === "string") return test.skip(`Chromium: ${chromium}`);
      const session = await chromium.browser.newBrowserCDPSession();
      const context = await chromium.browser.newContext();
      for (const times of ["first", "second"] as const) {
        const page = await openPage(context, server.address);
        const { processInfo } = await session.send("SystemInfo.getProcessInfo");
        const pids = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
        let peak = 0;
        const timer = setInterval(() => {
          peak = Math.max(peak, ...pids.map(rendererBytes));
        }, 50);
        const { milliseconds, memory } = await page.evaluate(async () => {
          const start = performance.now();
          const engine = await remote.createEngine({ model: "/", device: "cpu", threads: 2 });
          const milliseconds = performance.now() - start;
          await engine.run(await engine.readAudio("/samples/zh.wav"));
          return { milliseconds, memory: engine.memory };
        });
        clearInterval(timer);
        console.log(
          `${times}: ${Math.round(milliseconds)} ms, peak ${Math.round(peak / MIB)} MiB, ${memory} on the device`,
        );
        expect(peak).toBeGreaterThan(200 * MIB);
        expect(peak).toBeLessThan(450e6);
        if (times === "second") expect(milliseconds).toBeLessThan(2000);
        await page.close();
      }
    } finally {
      if (typeof chromium !== "string") await chromium.close();
      await server.close();
      removeFolder(site);
    }
  },
);
