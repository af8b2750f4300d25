import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { notices } from "../../scripts/licences.ts";

const text = notices();

test("THIRD-PARTY-NOTICES.md is up to date (npx tsx scripts/licences.ts)", () => {
  expect(readFileSync("THIRD-PARTY-NOTICES.md", "utf8")).toBe(text);
});

test("every package that is installed has a licence that can be lived with", () => {
  const rows = [...text.matchAll(/^\| \[(.+)\]\(.+\) \| .+ \| (.+) \| .* \|$/gm)];
  expect(rows.length).toBeGreaterThan(20);
  const others = rows.filter(
    ([, , licence]) => !/^(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD|BlueOak-1\.0\.0)$/.test(licence),
  );
  expect(others.map(([, name, licence]) => `${name}: ${licence}`)).toEqual(["codec-parser: **LGPL-3.0-or-later**"]);
});

test("the LGPL inside a package under another licence is named", () => {
  expect(text).toMatch(/^\| \[mpg123-decoder\].*\| MIT \| .*libmpg123.*LGPL-2\.1/m);
});
