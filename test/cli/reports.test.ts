import { copyFileSync, existsSync, linkSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../convert/folder.ts";
import { elementsOf, parseXml, textIn } from "../support/xml.ts";
import { PLAIN, sensevoice } from "./sensevoice.ts";

const sample = (name: string) => fileURLToPath(new URL(`../../samples/${name}`, import.meta.url));
const RULES = "- name: dinner\n  keyword: 上午\n- name: praise\n  keyword: great\n- name: joy\n  emotion: happy\n";

/** A folder with three samples, a text that is no sound, and rules. */
function workplace(): (name: string) => string {
  const dir = temporaryFolder();
  for (const name of ["zh.wav", "zh-happy.wav", "en-applause.wav"]) copyFileSync(sample(name), join(dir, name));
  writeFileSync(join(dir, "bad.wav"), "I am no sound.\n");
  writeFileSync(join(dir, "rules.yaml"), RULES);
  linkSync(join(dir, "rules.yaml"), join(dir, "same.yaml"));
  symlinkSync("zh.wav", join(dir, "link.wav"));
  return (name) => join(dir, name);
}

const BAD = "error: bad.wav: not a sound file, it holds text\n";

describe("inspect", () => {
  test("json: moments with the time of their words, figures, and the file that failed; status 1", async () => {
    const at = workplace();
    const args = [
      "inspect",
      ...PLAIN,
      "zh.wav",
      "bad.wav",
      "en-applause.wav",
      "--rules",
      "rules.yaml",
      "--format",
      "json",
    ];
    const { status, stdout, stderr } = await sensevoice(args, { cwd: at("") });
    expect({ status, stderr }).toEqual({ status: 1, stderr: BAD });
    const { rules, total, recordings, failed } = JSON.parse(stdout);
    expect(rules.map(({ name, moments }: { name: string; moments: number }) => [name, moments])).toEqual([
      ["dinner", 1],
      ["praise", 1],
      ["joy", 0],
    ]);
    expect(failed).toEqual([{ file: "bad.wav", error: "not a sound file, it holds text" }]);
    expect(recordings[0].moments).toMatchObject([{ rule: "dinner", match: "上午", before: "开饭时间" }]);
    const [{ start, end }] = recordings[0].moments;
    expect([start > 0.3, end - start < 1.5, end < 4]).toEqual([true, true, true]);
    expect(recordings[1].figures).toMatchObject({ duration: 3.419, words: { count: 4 }, languages: { en: 3.419 } });
    expect(total.duration).toBeCloseTo(4.517 + 3.419, 3);
  });

  test("html is one well-formed file that names every recording", async () => {
    const at = workplace();
    const name = "<i>&'\"].wav";
    copyFileSync(at("zh-happy.wav"), at(name));
    const args = [
      "inspect",
      ...PLAIN,
      name,
      "bad.wav",
      "--rules",
      "rules.yaml",
      "--format",
      "html",
      "--output",
      "r.html",
    ];
    const { status, stdout, stderr } = await sensevoice(args, { cwd: at("") });
    expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: "", stderr: BAD });
    const page = parseXml(readFileSync(at("r.html"), "utf8").replace("<!DOCTYPE html>\n", ""));
    expect(
      elementsOf(page)
        .filter(({ name }) => name === "h2")
        .map(textIn),
    ).toEqual(["All together", name]);
    expect(elementsOf(page).filter(({ name }) => name === "svg")).toHaveLength(1);
    expect(textIn(page)).toContain("bad.wav: failed: not a sound file, it holds text");
  });

  test("md by the default rules, from standard input", async () => {
    const input = readFileSync(sample("applause.wav"));
    const { status, stdout, stderr } = await sensevoice(["inspect", ...PLAIN, "-"], { input });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("| 0:00 | applause | (applause) |\n");
  });

  test("rules that are wrong or not there are one line, before anything is written", async () => {
    const at = workplace();
    writeFileSync(at("wrong.yaml"), "- name: a\n  emotion: cross\n");
    for (const [rules, message] of [
      ["wrong.yaml", /^error: wrong\.yaml: line 2: emotion: expected one of neutral, .*, got "cross"\n$/],
      ["none.yaml", /^error: none\.yaml: no such file\n$/],
    ] as const) {
      const args = ["inspect", ...PLAIN, "zh.wav", "--rules", rules, "--output", "new.md"];
      const { status, stdout, stderr } = await sensevoice(args, { cwd: at("") });
      expect(stderr).toMatch(message);
      expect({ status, stdout, written: existsSync(at("new.md")) }).toEqual({ status: 1, stdout: "", written: false });
    }
  });

  test.each(["zh.wav", "link.wav", "rules.yaml", "same.yaml", "../none/new.md"])(
    "--output %s is refused",
    async (output) => {
      const at = workplace();
      const args = ["inspect", ...PLAIN, "zh.wav", "--rules", "rules.yaml", "--output", output];
      const { status, stdout, stderr } = await sensevoice(args, { cwd: at("") });
      expect(stderr).toMatch(
        /^error: (--output: \S+ would overwrite an input; .*|\S+ cannot be written \(ENOENT\))\n$/,
      );
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(readFileSync(at("rules.yaml"), "utf8")).toBe(RULES);
      expect(readFileSync(at("zh.wav")).equals(readFileSync(sample("zh.wav")))).toBe(true);
      expect(readdirSync(at(""))).toHaveLength(7);
    },
  );
});

describe("highlights", () => {
  test("lists the pieces of all files, and the file that failed; status 1", async () => {
    const at = workplace();
    const args = ["highlights", ...PLAIN, "zh.wav", "bad.wav", "zh-happy.wav", "en-applause.wav"];
    const { status, stdout, stderr } = await sensevoice(args, { cwd: at("") });
    expect({ status, stderr }).toEqual({ status: 1, stderr: BAD });
    expect(JSON.parse(stdout)).toEqual({
      pieces: [
        { file: "zh-happy.wav", start: 0, end: 1.657, reasons: ["happy"], text: "祝你生日快乐" },
        { file: "en-applause.wav", start: 0, end: 3.418, reasons: ["applause"], text: "the concert was great" },
      ],
      failed: [{ file: "bad.wav", error: "not a sound file, it holds text" }],
    });
  });

  test("ffmpeg's list has whole paths; where nothing is found a note says so", async () => {
    const at = workplace();
    const list = (only: string) => {
      const args = ["highlights", ...PLAIN, "zh-happy.wav", "--only", only, "--format", "concat", "--output", "list"];
      return sensevoice(args, { cwd: at("") });
    };
    expect(await list("happy")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(readFileSync(at("list"), "utf8")).toContain(
      `\nfile '${at("zh-happy.wav")}'\ninpoint 0.000\noutpoint 1.657\n`,
    );
    const stderr = "note: nothing found: no segment has sad or cry\n";
    expect(await list("sad,cry")).toMatchObject({ status: 0, stdout: "", stderr });
    expect(readFileSync(at("list"), "utf8")).toBe("ffconcat version 1.0\n");
  });

  test("a name that a format cannot write fails its file alone", async () => {
    const at = workplace();
    copyFileSync(at("zh-happy.wav"), at("two\nlines.wav"));
    const args = ["highlights", ...PLAIN, "two\nlines.wav", "zh-happy.wav", "--format", "concat"];
    const { status, stdout, stderr } = await sensevoice(args, { cwd: at("") });
    expect(stderr).toMatch(/^error: .*two lines\.wav: expected a name without line breaks for ffmpeg's list; .*\n$/);
    expect(status).toBe(1);
    expect(stdout).toContain(`\nfile '${at("zh-happy.wav")}'\n`);
    expect(stdout).toMatch(/\n# failed: two lines\.wav: .*\n$/);
  });

  test.each([
    [
      ["--only", "laughter,fun"],
      /'laughter,fun' is invalid\. expected some of speech, bgm, laughter, .*, surprised\.$/,
    ],
    [["--pad", "-1"], /'-1' is invalid\. expected seconds, 0 or more\.$/],
    [["--merge", "x"], /'x' is invalid\. expected seconds, 0 or more\.$/],
    [["--fps", "26"], /'26' is invalid\. Allowed choices are 23\.976, 24, 25, /],
    [["--format", "concat", "-"], /^error: --format concat: expected files, got standard input, which cannot be /],
    [["--output", "zh.wav"], /^error: --output: zh\.wav would overwrite an input; choose another name$/],
  ])("%j: one line on stderr, status 1", async (args, message) => {
    const { status, stdout, stderr } = await sensevoice(["highlights", ...PLAIN, "zh.wav", ...args], {
      cwd: workplace()(""),
    });
    expect(stderr).toMatch(/^error: .+\n$/);
    expect(stderr.trimEnd()).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  });
});
