import { readFileSync, writeFileSync } from "node:fs";

/** Megabytes of a process that are in memory; 0 where /proc does not say. */
export function residentMb(pid: number | "self"): number {
  return statusMb(pid, "VmRSS");
}

/** The most that there were since the last `resetPeak`. */
export function peakMb(): number {
  return statusMb("self", "VmHWM") || process.memoryUsage.rss() / 2 ** 20;
}

export function resetPeak(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Not Linux: the peak is then that of the whole process, or what there is now.
  }
}

/** Calls `exceeded` once when a process has more in memory; returns what ends the watch. */
export function watchMemory(pid: number, limitMb: number, exceeded: () => void): () => void {
  const timer = setInterval(() => {
    if (residentMb(pid) <= limitMb) return;
    clearInterval(timer);
    exceeded();
  }, 50);
  return () => clearInterval(timer);
}

function statusMb(pid: number | "self", field: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
