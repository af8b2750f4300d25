/**
 * Loaded before the command: kills it with SIGKILL before its change number $CRASH_AT to what is in the folder
 * $CRASH_IN, so that each instant of a job can be the last one.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const { CRASH_AT, CRASH_IN = "" } = process.env;
let left = Number(CRASH_AT);

function arm(module: object, name: string): void {
  const original: unknown = Reflect.get(module, name);
  if (typeof original !== "function") throw new Error(`there is no ${name}`);
  Reflect.set(module, name, (...args: unknown[]) => {
    if (String(args[0]).startsWith(CRASH_IN) && --left === 0) process.kill(process.pid, "SIGKILL");
    return original.apply(module, args);
  });
}

for (const name of ["chmodSync", "mkdirSync", "renameSync", "rmSync"]) arm(fs, name);
for (const name of ["cp", "mkdir", "open", "rename", "rm", "writeFile"]) arm(fs.promises, name);
syncBuiltinESMExports();
