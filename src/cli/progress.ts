import { SingleBar } from "cli-progress";
import type { Progress } from "../weights/source.ts";

/** A bar on stderr that vanishes when it stops. Shows only on a terminal. */
export function createBar(format: string): SingleBar {
  return new SingleBar({
    format,
    stream: process.stderr,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 30,
    clearOnComplete: true,
    linewrap: true, // leaves the terminal's setting alone, so there is nothing to restore after Ctrl-C
  });
}

/** Shows how far a job on files is: a bar for one task after another. */
export async function withBar<T>(job: (onProgress: (progress: Progress) => void) => Promise<T>): Promise<T> {
  const bar = createBar("{task}  {bar} {percentage} %  {megabytes} MB  {eta_formatted} left");
  let current: string | undefined;
  const onProgress = ({ task, done, total }: Progress) => {
    const megabytes = `${(done / 1e6).toFixed(1)}/${(total / 1e6).toFixed(1)}`;
    if (task !== current) {
      bar.stop();
      bar.start(total, done, { task, megabytes });
      current = task;
    } else bar.update(done, { megabytes });
  };
  return job(onProgress).finally(() => bar.stop());
}
