import { expect, test } from "vitest";
import { lineText } from "../../src/output/cue.ts";
import { cuesOf } from "../../src/output/cues.ts";
import { FORMATS, writeDocument } from "../../src/output/formats.ts";
import { openChromium } from "../support/chromium.ts";
import { segment, words } from "./segment.ts";

const SPEAKER = "Ann & <b>Tom</b>";
const document = {
  duration: 3700,
  segments: [
    segment(
      0.12,
      2.5,
      "<|zh|><|HAPPY|><|Speech|><|withitn|>祝你生日快乐。",
      words("0.5 祝你 0.9 生日 1.4 快乐 1.8 。 1.9"),
    ),
    {
      ...segment(2.5, 9, "<|en|>When I came home, the lights were still on. Nobody answered <b>Tom & me</b> --> why?"),
      speaker: SPEAKER,
    },
    segment(9, 12, "<|ja|>明日の午後三時に会いましょう。"),
    segment(3661, 3662.5, "<|ko|>오늘 서울 날씨는 추워요."),
  ],
};

test("a <track> in Chromium holds the cues of vtt, with and without karaoke", async (context) => {
  const opened = await openChromium();
  if (typeof opened === "string") return context.skip(`Chromium: ${opened}`);
  try {
    const page = await opened.browser.newPage();
    for (const karaoke of [false, true]) {
      await page.route("http://subtitles.test/**", (route, request) =>
        request.url().endsWith(".vtt")
          ? route.fulfill({ contentType: FORMATS.vtt.mimeType, body: writeDocument("vtt", document, { karaoke }) })
          : route.fulfill({ contentType: "text/html", body: "<video></video>" }),
      );
      await page.goto("http://subtitles.test/");
      const cues = await page.evaluate(
        () =>
          new Promise((resolve) => {
            const track = window.document.createElement("track");
            track.src = "talk.vtt";
            track.onload = () =>
              resolve(
                Array.from(track.track.cues as unknown as ArrayLike<VTTCue>, (cue) => ({
                  start: cue.startTime,
                  end: cue.endTime,
                  text: cue.getCueAsHTML().textContent,
                  speaker: cue.getCueAsHTML().querySelector("span")?.title ?? null,
                })),
              );
            track.onerror = () => resolve("the track did not load");
            window.document.querySelector("video")?.append(track);
            track.track.mode = "hidden";
          }),
      );
      const expected = cuesOf(document.segments, document).map(({ start, end, lines, speaker = null }) => {
        return { start, end, text: lines.map(lineText).join("\n"), speaker };
      });
      expect(expected.length).toBeGreaterThan(4);
      expect(expected.filter(({ speaker }) => speaker === SPEAKER)).toHaveLength(2);
      expect(cues).toEqual(expected);
    }
  } finally {
    await opened.close();
  }
});
