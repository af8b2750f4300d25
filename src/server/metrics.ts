import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** What can be read at a time. */
export interface Levels {
  /** Requests inside: those that send, wait or are heard. */
  readonly inside: number;
  /** Sounds that are heard. */
  readonly active: number;
  readonly live: number;
  /** Bytes of device memory. */
  readonly device: number;
}

/** What /metrics tells, in Prometheus' format; seconds and bytes, as its conventions have it. */
export function createMetrics(levels: () => Levels) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const level = (name: string, help: string, key: keyof Levels) =>
    new Gauge({
      name: `sensevoice_${name}`,
      help,
      registers,
      collect() {
        this.set(levels()[key]);
      },
    });
  level("requests_inside", "Requests that send their sound, wait or are heard", "inside");
  level("sounds_active", "Sounds that are heard now", "active");
  level("live_sessions", "Live sockets that are open", "live");
  level("device_memory_bytes", "Device memory held by the model", "device");
  return {
    registry,
    requests: new Counter({
      name: "sensevoice_requests_total",
      help: "Requests answered",
      labelNames: ["route", "status"] as const,
      registers,
    }),
    seconds: new Histogram({
      name: "sensevoice_request_seconds",
      help: "From a request's arrival to the end of its answer",
      labelNames: ["route"] as const,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    }),
    sound: new Counter({ name: "sensevoice_sound_seconds_total", help: "Seconds of sound heard", registers }),
    rtf: new Histogram({
      name: "sensevoice_rtf",
      help: "Real-time factor: seconds from having the sound to its result, by seconds of sound",
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
      registers,
    }),
    batch: new Histogram({
      name: "sensevoice_batch_size",
      help: "Sounds heard in one pass",
      buckets: [1, 2, 3, 4, 6, 8, 12, 16, 32],
      registers,
    }),
    cache: new Counter({
      name: "sensevoice_cache_total",
      help: "Results asked of the cache",
      labelNames: ["outcome"] as const,
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
