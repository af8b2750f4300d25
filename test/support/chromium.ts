import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";

/**
 * A headless Chromium with the shared libraries it needs, from a package: nothing of the machine's is used but glibc.
 * It is unpacked into a folder of its own. Where it does not run (anything but Linux on x64) it is the reason why not;
 * with REQUIRE_CHROMIUM=1 that is an error.
 *
 * @param flags of its command line, beside those it needs
 */
export async function openChromium(
  flags: readonly string[] = [],
): Promise<{ browser: Browser; close(): Promise<void> } | string> {
  const folder = await mkdtemp(join(tmpdir(), "chromium-"));
  const remove = () => rm(folder, { recursive: true });
  try {
    if (process.platform !== "linux" || process.arch !== "x64") throw new Error("the package has it for Linux on x64");
    const { default: files } = await import("@sparticuz/chromium");
    const { chromium } = await import("playwright-core");
    // Makes the package unpack the libraries too.
    const executablePath = await withEnvironment({ TMPDIR: folder, AWS_EXECUTION_ENV: "nodejs20.x" }, () =>
      files.executablePath(),
    );
    const env = { ...process.env, LD_LIBRARY_PATH: join(folder, "al2023/lib"), FONTCONFIG_PATH: join(folder, "fonts") };
    // The package's own arguments put all into one process without the web's usual safety: threads do not work there.
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", ...flags], env });
    return { browser, close: () => browser.close().then(remove) };
  } catch (error) {
    await remove();
    if (process.env.REQUIRE_CHROMIUM === "1") throw error;
    return String(error).split("\n")[0];
  }
}

async function withEnvironment<T>(variables: Record<string, string>, run: () => Promise<T>): Promise<T> {
  const before = Object.entries(variables).map(([name]) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
