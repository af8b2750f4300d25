import type { Command } from "commander";
import { createCommand } from "./command.ts";
import type { KeyOptions } from "./key.ts";
import { count, path } from "./options.ts";

/** `serve`; its options are made of a schema that need not be loaded for other commands. */
export function serveCommand(): Command {
  const description = "transcribe over HTTP, with OpenAI's API and live sockets";
  return forwarding("serve", description, async (args) => (await import("./serve.ts")).serve(args));
}

/** `worker`, in the same way. */
export function workerCommand(): Command {
  const description = "transcribe the sounds of a queue that `serve --queue` fills";
  return forwarding("worker", description, async (args) => (await import("./worker.ts")).worker(args));
}

/** A command that leaves its arguments, `--help` too, to who runs it. */
function forwarding(name: string, description: string, run: (args: readonly string[]) => Promise<void>): Command {
  return createCommand(name)
    .description(description)
    .usage("[options]")
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action((_, command) => run(command.args));
}

/** `key NAME --keys FILE`: a new bearer key for the server. Prints it, once. */
export function keyCommand(): Command {
  return createCommand("key")
    .description("make a key for whoever may use the server, add its hash to the file of keys, and print it once")
    .argument("<name>", "whose key it is: one word, in no other line of the file")
    .requiredOption("--keys <file>", "lines NAME SHA256 [REQUESTS_PER_MINUTE]; made if there is none", path)
    .option("--per-minute <count>", "requests a minute (default: what holds for all)", count)
    .action(async (name: string, options: KeyOptions) => {
      (await import("./key.ts")).addKey(name, options);
    });
}
