import { SingleBar } from "cli-progress";
import { clock } from "../output/clock.ts";
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

/**
 * Does the work on one sound after another, with a bar if it is to be seen. What fails is told, and the next one done.
 *
 * @param work calls `onProgress` with the seconds of the sound that are done
 */
export async function forEachSound(
  files: readonly string[],
  visible: boolean,
  work: (file: string, index: number, onProgress: (seconds: number) => void) => Promise<void>,
  fail: (error: unknown, file: string) => void,
): Promise<void> {
  const bar = soundBar(files.length, visible);
  try {
    for (const [i, file] of files.entries()) {
      await work(file, i, bar.heard).catch((error: unknown) => bar.pause(() => fail(error, file)));
      bar.done(i + 1);
    }
  } finally {
    bar.stop();
  }
}

/** Shows how far sounds are, and how fast. */
function soundBar(total: number, visible: boolean) {
  const speed = "{heard} heard, {speed} × real time";
  const format = total === 1 ? speed : `{bar} {value}/{total} sounds  ${speed}  {eta_formatted} left`;
  const bar = visible ? createBar(format) : undefined;
  const begin = performance.now();
  let [count, before, now] = [0, 0, 0];
  const payload = () => {
    const seconds = before + now;
    return { heard: clock(seconds).slice(0, -4), speed: ((1000 * seconds) / (performance.now() - begin)).toFixed(1) };
  };
  bar?.start(total, 0, payload());
  return {
    /** So many seconds of the sound at hand are done. */
    heard(seconds: number): void {
      now = seconds;
      bar?.update(count, payload());
    },
    /** So many sounds are done. */
    done(sounds: number): void {
      before += now;
      [count, now] = [sounds, 0];
      bar?.update(count, payload());
    },
    /** Clears the way for a line. */
    pause(print: () => void): void {
      bar?.stop();
      print();
      bar?.start(total, count, payload());
    },
    stop: () => bar?.stop(),
  };
}
