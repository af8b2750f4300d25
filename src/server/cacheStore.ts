/** Where results are kept below the memory. Neither call ever fails or waits long: what does not work is a miss. */
export interface Store {
  /** The value, and for how many milliseconds from now on it is good. */
  get(key: string): Promise<{ readonly value: string; readonly leftMs: number } | undefined>;
  set(key: string, value: string): Promise<void>;
  close(): Promise<void>;
}

/** Tells of a trouble when it begins and when it is over, and not at each request in between. */
export interface Alarm {
  raise(reason: string): void;
  lower(): void;
}

/** @param subject what the trouble is with, and what does not work: `[cache] /tmp/results: writing` */
export function createAlarm(tell: (message: string) => void, subject: string): Alarm {
  let raised = false;
  return {
    raise(reason) {
      if (!raised) tell(`${subject} does not work (${reason}); going on without it`);
      raised = true;
    },
    lower() {
      if (raised) tell(`${subject} works again`);
      raised = false;
    },
  };
}
