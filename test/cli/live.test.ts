import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convertModel } from "../../src/convert/convert.ts";
import { temporaryFolder } from "../convert/folder.ts";
import { folderOf } from "../convert/speakerFolder.ts";
import { recordingOf } from "../support/recording.ts";
import { sensevoice, ZH_HAPPY, ZH_HAPPY_TEXT } from "./sensevoice.ts";

const CPU = ["--model", "tiny", "--device", "cpu", "--threads", "1", "--vad", "energy"];
const ZH_TEXT = "开饭时间上午九点至下午五点";

/** A speaker model of the least sizes: all voices are alike to it. */
async function speakerModel(): Promise<string> {
  const target = join(temporaryFolder(), "speaker");
  await convertModel(folderOf(), target, { dtype: "f16" });
  return target;
}

async function rawSound(): Promise<Uint8Array> {
  const { pcm } = await recordingOf(["zh.wav", "zh-happy.wav"], 2);
  return new Uint8Array(Int16Array.from(pcm, (x) => Math.round(x * 32_767)).buffer);
}

describe("live --speakers", () => {
  test("says in text and jsonl who speaks, and names whoever was enrolled", async () => {
    const [model, input] = [await speakerModel(), await rawSound()];
    const people = join(temporaryFolder(), "people.json");
    const args = ["live", ...CPU, "--speakers", "--speaker-model", model];
    const spoken = await sensevoice(args, { input });
    expect(spoken).toMatchObject({ status: 0, stderr: "", stdout: `S1: ${ZH_TEXT}\nS1: ${ZH_HAPPY_TEXT}\n` });
    const enroll = ["enroll", "Ann", ZH_HAPPY, ...CPU.slice(0, 6), "--speaker-model", model, "--people", people];
    expect(await sensevoice(enroll)).toMatchObject({ status: 0, stderr: "" });
    const { stdout } = await sensevoice([...args, "--people", people, "--format", "jsonl", "--timestamps"], { input });
    const results = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const finals = results.filter(({ final }) => final);
    expect(finals.map(({ speaker, text }) => [speaker, text])).toEqual([
      ["Ann", ZH_TEXT],
      ["Ann", ZH_HAPPY_TEXT],
    ]);
    expect(finals[0].words[0].speaker).toBe("Ann");
    for (const { speaker } of results.filter(({ final }) => !final)) expect(speaker).toBe(undefined);
  }, 60_000);

  test("what it cannot do is one line, and nothing is heard", async () => {
    const input = new Uint8Array(32_000);
    const none = await sensevoice(["live", ...CPU, "--speakers"], { input });
    expect(none).toMatchObject({ status: 1, stdout: "" });
    expect(none.stderr).toMatch(/^error: \[engine\] speakers: expected a speaker model, found none; run: .*\n$/);
    const mode = await sensevoice(["live", ...CPU, "--speakers", "--speaker-mode", "funasr"], { input });
    expect(mode).toMatchObject({ status: 1, stdout: "" });
    expect(mode.stderr).toMatch(/^error: unknown option '--speaker-mode'/);
    const alone = await sensevoice(["live", ...CPU, "--people", "people.json"], { input });
    expect(alone).toMatchObject({ status: 1, stderr: "error: --people: expected --speakers beside it, got none\n" });
  }, 60_000);
});
