import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface TestRun {
  /** `slow`: killed because it took too long. */
  readonly outcome: "passed" | "failed" | "slow";
  readonly ms: number;
  readonly output: string;
}

/** The repository's own configuration, but that nothing is written where other runs look. */
const CONFIG = `import { mergeConfig } from "vitest/config";
import base from "./vitest.config.ts";
export default mergeConfig(base, { cacheDir: ".vite", test: { maxWorkers: 1, fileParallelism: false } });
`;

/** A copy of the working tree in which tests can be run on faults. */
export class Copy {
  readonly root: string;

  constructor(from: string, root: string) {
    this.root = root;
    const list = (...args: string[]) => {
      return execFileSync("git", ["ls-files", "-z", ...args], { cwd: from, encoding: "utf8" }).split("\0");
    };
    const files = [
      ...list("--cached", "--others", "--exclude-standard"),
      ...list("--others", "--ignored", "--exclude-standard", "src"), // the kernels that were built
    ];
    for (const file of new Set(files)) {
      if (file === "" || /^node_modules\b/.test(file)) continue;
      mkdirSync(dirname(join(root, file)), { recursive: true });
      cpSync(join(from, file), join(root, file), { force: true });
    }
    symlinkSync(join(from, "node_modules"), join(root, "node_modules"));
    writeFileSync(join(root, "vitest.mutate.config.ts"), CONFIG);
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.root, file), text);
  }

  /** Runs test files until the first test fails. */
  run(tests: readonly string[], limitMs: number): Promise<TestRun> {
    const vitest = join(this.root, "node_modules/vitest/vitest.mjs");
    const args = [vitest, "run", "--bail=1", "--config=vitest.mutate.config.ts", "--reporter=dot", ...tests];
    const start = performance.now();
    const child = spawn(process.execPath, args, {
      cwd: this.root,
      detached: true,
      env: { ...process.env, CI: "1" },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    return new Promise((resolve) => {
      let slow = false;
      const timer = setTimeout(() => {
        slow = true;
        killGroup(child);
      }, limitMs);
      child.on("close", (status) => {
        clearTimeout(timer);
        const outcome = slow ? "slow" : status === 0 ? "passed" : "failed";
        resolve({ outcome, ms: performance.now() - start, output });
      });
    });
  }
}

/** A test run has processes of its own. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, "SIGKILL");
  } catch {
    // It is gone already.
  }
}
