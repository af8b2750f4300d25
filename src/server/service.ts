import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import type { Logger } from "pino";
import type { Engine } from "../node.ts";
import type { ServeConfig } from "./config.ts";
import type { KeyRing } from "./keys.ts";
import type { Limits } from "./limits.ts";
import type { EnginePlaces } from "./local.ts";
import type { Metrics } from "./metrics.ts";
import type { QueueService } from "./queue/front.ts";
import type { Results } from "./results.ts";
import type { SpoolFolder } from "./spool.ts";
import type { Transcriber } from "./transcriber.ts";

/** What routes are given. */
export interface Service {
  readonly config: ServeConfig;
  /** Of this package. */
  readonly version: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly uploads: SpoolFolder;
  readonly places: EnginePlaces;
  readonly transcriber: Transcriber;
  readonly results: Results;
  readonly limits: Limits;
  /** Unless everybody may. */
  readonly keys: KeyRing | undefined;
  /** What serves it; only where there is a queue. */
  readonly queue: QueueService | undefined;
  /** For live sound; only where there is a model in this process. */
  readonly engine: Engine | undefined;
  /** Live sockets that are open. `stop` resolves once what came was heard. */
  readonly sockets: Set<{ stop(reason: string): Promise<void> }>;
  /** Why no new requests are taken. */
  closed: string | undefined;
}

/** What a request carries. */
export interface RequestEnv {
  Bindings: HttpBindings;
  Variables: {
    /** Names it in logs and answers. */
    id: string;
    /** The name of its key; where there are no keys its address. */
    key: string;
    /** Seconds of sound, for the log. */
    sound?: number;
    cache?: "hit" | "miss";
    /** Whether it became a WebSocket. */
    upgraded?: boolean;
  };
}

export type RequestContext = Context<RequestEnv>;
