import { readConfig, workerSchema } from "../server/config.ts";
import { startWorker } from "../server/queue/openQueue.ts";
import { createLog } from "../server/serve.ts";
import { createCommand } from "./command.ts";
import { stopAtSignals } from "./serve.ts";

/** `worker`: prints what it serves once it takes jobs, then runs until it is told to stop. */
export async function worker(args: readonly string[]): Promise<void> {
  const command = createCommand("sensevoice worker").description("transcribe the sounds of a queue");
  const config = readConfig(workerSchema, command, args);
  console.info = console.error; // of packages; stdout has one line
  const running = await startWorker(config, createLog(config.logLevel));
  stopAtSignals(() => running.stop());
  process.stdout.write(`ready: ${running.description}\n`);
}
