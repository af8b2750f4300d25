import { readFileSync } from "node:fs";

/** The package's version. Two folders up is its root, from src/ as from dist/. */
export function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return version;
}
