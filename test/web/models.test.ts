import { describe, expect } from "vitest";
import { serveSite } from "./serveSite.ts";
import { allDone, choose, expectedText, pageTests, sample, textOf } from "./support.ts";

const { pageTest, folder } = pageTests();

describe("models", () => {
  pageTest(
    "one of another host is fetched once, kept, used without the network, and removed",
    async ({ page }) => {
      const other = await serveSite(folder);
      other.answer = (request, response) => {
        response.setHeader("Access-Control-Allow-Origin", "*");
        if (request.method !== "OPTIONS") return false;
        response.setHeader("Access-Control-Allow-Headers", "*");
        response.end();
        return true;
      };
      const model = `${other.address}weights/tiny/`;
      try {
        await page.click("nav a[href='#models']");
        await page.fill("input[type=url]", model);
        await page.click(".address button");
        const kept = page.locator(".model", { hasText: model });
        await kept.getByText("Kept in this browser, 13.8 MB").waitFor();
        expect(await kept.locator("input").isChecked()).toBe(true);
        expect(await page.textContent(".speed p")).toMatch(/^Loaded on CPU, .* in [\d.]+ sec\./);
      } finally {
        await other.close();
      }
      await page.reload();
      await page.click("nav a[href='#transcribe']");
      await choose(page, sample("zh.wav"));
      await allDone(page);
      expect(await textOf(page)).toEqual([expectedText("zh.wav")]);
      expect(await page.textContent(".meta")).toContain(model);
      await page.click("nav a[href='#models']");
      await page.click(`[aria-label="Remove ${model}"]`);
      await page.waitForFunction(() => document.querySelectorAll(".model").length === 1);
      expect(await page.locator("input[value=tiny]").isChecked()).toBe(true);
    },
    { elsewhere: true, expected: /ERR_CONNECTION_REFUSED/ },
  );

  pageTest("the speed is measured and shown", async ({ page }) => {
    await page.click("nav a[href='#models']");
    await page.click(".speed button");
    await page.waitForFunction(() =>
      /It hears at [\d.,]+× real time/.test(document.querySelector(".speed")?.textContent ?? ""),
    );
    expect(await page.textContent("footer .device")).toMatch(/Tiny demonstration model · CPU, .* · [\d.,]+× real time/);
  });
});
