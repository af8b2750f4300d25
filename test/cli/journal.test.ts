import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openJournal } from "../../src/cli/journal.ts";

let dir: string;
let [sound, result] = ["", ""];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sensevoice-journal-"));
  [sound, result] = [join(dir, "a.wav"), join(dir, "a.txt")];
  writeFileSync(sound, "sound");
  writeFileSync(result, "text");
});
afterEach(() => rmSync(dir, { recursive: true }));

test("what is done is known in the next session, if it is asked to go on", () => {
  openJournal(dir, { itn: true }, false).done(sound, result);
  expect(openJournal(dir, { itn: true }, true).isDone(sound, result)).toBe(true);
  expect(openJournal(dir, { itn: true }, true).isDone(sound, join(dir, "b.txt"))).toBe(false);
  expect(openJournal(dir, { itn: true }, false).isDone(sound, result)).toBe(false);
  expect(openJournal(dir, { itn: true }, true).isDone(sound, result)).toBe(false);
});

test("other settings, a changed sound or a lost result are done again", () => {
  openJournal(dir, { itn: true }, false).done(sound, result);
  expect(openJournal(dir, { itn: false }, true).isDone(sound, result)).toBe(false);
  const journal = openJournal(dir, { itn: true }, true);
  rmSync(result);
  expect(journal.isDone(sound, result)).toBe(false);
  writeFileSync(result, "text");
  expect(journal.isDone(sound, result)).toBe(true);
  writeFileSync(sound, "longer sound");
  expect(journal.isDone(sound, result)).toBe(false);
  rmSync(sound);
  expect(journal.isDone(sound, result)).toBe(false);
});

test("a result that was made again with other settings is no longer that of the first", () => {
  openJournal(dir, { itn: true }, false).done(sound, result);
  openJournal(dir, { itn: false }, true).done(sound, result);
  expect(openJournal(dir, { itn: true }, true).isDone(sound, result)).toBe(false);
  expect(openJournal(dir, { itn: false }, true).isDone(sound, result)).toBe(true);
});

test("a line that was cut off spoils nothing", () => {
  openJournal(dir, {}, false).done(sound, result);
  appendFileSync(join(dir, ".sensevoice-journal.jsonl"), '\n{"file":"/half');
  const [other, next] = [join(dir, "b.wav"), join(dir, "b.txt")];
  writeFileSync(other, "sound");
  writeFileSync(next, "text");
  openJournal(dir, {}, true).done(other, next);
  const journal = openJournal(dir, {}, true);
  expect(journal.isDone(sound, result)).toBe(true);
  expect(journal.isDone(other, next)).toBe(true);
});

test("standard input is never done", () => {
  const journal = openJournal(dir, {}, false);
  journal.done("-", result);
  expect(openJournal(dir, {}, true).isDone("-", result)).toBe(false);
});
