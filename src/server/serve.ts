import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { createAdaptorServer } from "@hono/node-server";
import { destination, type Logger, pino } from "pino";
import { SenseVoiceError } from "../error.ts";
import { createEngine } from "../node.ts";
import { createApp, isLoopback } from "./app.ts";
import { openCache } from "./cache.ts";
import type { ServeConfig } from "./config.ts";
import { Decoding } from "./decoding.ts";
import { checkOrigins } from "./guard.ts";
import { readKeys } from "./keys.ts";
import { createLimits } from "./limits.ts";
import { hearClips, LocalTranscriber, speakerDigest } from "./local.ts";
import { createMetrics } from "./metrics.ts";
import { Places } from "./places.ts";
import { openQueue } from "./queue/openQueue.ts";
import { Results } from "./results.ts";
import type { Service } from "./service.ts";
import { createSocketServer, SocketRequest } from "./sockets.ts";
import { SpoolFolder } from "./spool.ts";
import type { Transcriber } from "./transcriber.ts";

/** Threads that decode: one can keep several engines busy. */
const DECODERS = 2;

export interface RunningServer {
  /** `http://127.0.0.1:8000` */
  readonly address: string;
  /** Takes no more, finishes what it accepted, as long as that takes no longer than `grace`. */
  stop(): Promise<void>;
}

/** Logs as lines of JSON on stderr: stdout says where the service listens, and nothing else. */
export function createLog(level: ServeConfig["logLevel"]): Logger {
  return pino({ level, base: undefined }, destination({ fd: 2, sync: true }));
}

/** Loads the model and listens. */
export async function startServer(config: ServeConfig, log: Logger, version: string): Promise<RunningServer> {
  const { model, device, weights, threads, tune, vadModel, speakerModel, concurrency, maxQueue } = config;
  const { batchSeconds, maxSeconds } = config;
  const limits = {
    memoryBytes: config.cacheMemory,
    folderBytes: config.cacheFolder,
    maxAgeSeconds: config.cacheDays * 86_400,
  };
  const keys = config.keys === undefined ? undefined : readKeys(config.keys, (message) => log.warn(message));
  checkOrigins(config.cors);
  const cache = await openCache(config.cache, limits, (message) => log.warn(message));
  // Behind a queue others have models.
  const hears = config.queue === undefined || model !== undefined;
  const engine = hears
    ? await createEngine({ model, device, weights, threads, tune, vadModel, speakerModel })
    : undefined;
  const places = new Places(
    { concurrency, maxQueue, batchSeconds },
    engine ? hearClips(engine, batchSeconds) : async () => [],
  );
  const decoding = new Decoding({ threads: DECODERS, maxSeconds });
  const local = engine && new LocalTranscriber(engine, decoding, places, speakerDigest(config));
  const queue = config.queue === undefined ? undefined : await openQueue(config.queue, config, local, log);
  const transcriber = (queue?.transcriber ?? local) as Transcriber;
  const metrics = createMetrics(() => {
    return { inside: places.inside, active: places.active, live: service.sockets.size, device: engine?.memory ?? 0 };
  });
  places.onBatch = (size) => metrics.batch.observe(size);
  const uploads = new SpoolFolder({ maxBytes: config.maxUpload, hash: config.hash });
  const results = new Results(cache, transcriber);
  const service: Service = {
    config,
    version,
    log,
    metrics,
    uploads,
    places,
    transcriber,
    results,
    limits: createLimits({ perMinute: config.perMinute }),
    keys,
    queue,
    engine,
    sockets: new Set(),
    closed: undefined,
  };
  process.once("exit", () => uploads.remove());
  const websockets = createSocketServer();
  const server = createAdaptorServer({
    fetch: createApp(service).fetch,
    createServer,
    serverOptions: { IncomingMessage: SocketRequest },
    websocket: { server: websockets },
  }) as Server;
  server.requestTimeout = config.timeout * 1000;
  await listen(server, config);
  const address = addressOf(server, config.host);
  log.info(
    { model: engine?.config.name, device: engine?.device, adapter: engine?.deviceDescription, address },
    "listening",
  );
  log.info(reachableBy(config));
  return {
    address,
    async stop() {
      service.closed = "the service is stopping";
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const idle = setInterval(() => server.closeIdleConnections(), 50);
      for (const socket of service.sockets) void socket.stop(service.closed);
      const timer = setTimeout(() => {
        server.closeAllConnections();
        for (const socket of websockets.clients) socket.terminate();
      }, config.grace * 1000);
      await closed;
      clearInterval(idle);
      clearTimeout(timer);
      await queue?.stop();
      await decoding.close();
      await cache.close();
      await engine?.close();
      uploads.remove();
    },
  };
}

function listen(server: Server, { host, port }: ServeConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason = {
        EADDRINUSE: "the port is taken",
        EACCES: "not allowed",
        EADDRNOTAVAIL: "no address of this machine",
      };
      const told = reason[error.code as keyof typeof reason] ?? error.code ?? error.message;
      reject(new SenseVoiceError(`cannot listen on ${host}:${port}: ${told}`));
    });
    server.listen(port, host, resolve);
  });
}

function addressOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Who can use the service: that should be no surprise. */
function reachableBy({ host, keys }: ServeConfig): string {
  if (isLoopback(host)) return "reached only by programs on this machine";
  const all = host === "0.0.0.0" || host === "::";
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  const where = all ? `every network of this machine (${addresses.join(", ")})` : host;
  return `reached through ${where} ${keys ? "by who has a key" : "BY ANYBODY, since there are no --keys"}`;
}
