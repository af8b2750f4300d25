import { IncomingMessage } from "node:http";
import { upgradeWebSocket } from "@hono/node-server";
import { type WebSocket, WebSocketServer } from "ws";
import { SAMPLE_RATE } from "../audio/pcm.ts";
import { httpErrorOf } from "./answer.ts";
import { HttpError } from "./httpError.ts";
import type { RequestContext, Service } from "./service.ts";
import { chooseProtocol } from "./token.ts";

/** Bytes of a message. */
const MAX_MESSAGE = 2 ** 20;
/** A peer that has not answered a ping by the next one is gone. */
const PING_MS = 30_000;
/** How long a peer may take to close its side. */
const CLOSE_MS = 5000;

/** What is said over a socket. */
export interface Session {
  /** Takes a message; the next comes once it is done. What it throws ends the session. */
  take(message: Buffer, binary: boolean): Promise<void>;
  /** What is open becomes final; resolves once all of it was sent. */
  finish(): Promise<void>;
  /** Nobody listens any more. */
  drop(): void;
}

export interface Protocol {
  /** @throws HttpError if the request asks for what there is not */
  begin(socket: LiveSocket): Session;
  /** How an error is told. */
  told(error: HttpError): object;
}

export function createSocketServer(): WebSocketServer {
  const options = {
    noServer: true,
    maxPayload: MAX_MESSAGE,
    closeTimeout: CLOSE_MS,
    handleProtocols: chooseProtocol,
  };
  return new WebSocketServer(options);
}

/**
 * A request that asks for another protocol than WebSocket is answered as if it did not: Java's client and curl --http2
 * ask for h2c beside what they want. Without this Node would leave all upgrades to whoever listens for one.
 */
export class SocketRequest extends IncomingMessage {
  get upgrade(): boolean {
    return upgrades.has(this) && isUpgrade(this.headers.upgrade);
  }

  /** Node sets it, first in the constructor. */
  set upgrade(asked: boolean) {
    if (asked) upgrades.add(this);
    else upgrades.delete(this);
  }
}

const upgrades = new WeakSet<SocketRequest>();

function isUpgrade(header: string | undefined): boolean {
  return header?.toLowerCase() === "websocket";
}

/**
 * Makes a WebSocket of a request. The place it takes is free again once its connection is closed, in whatever way.
 *
 * @throws HttpError before the upgrade: 426, 429 if all places are taken, 503
 */
export async function openSocket(c: RequestContext, service: Service, protocol: Protocol): Promise<Response> {
  const { config, sockets } = service;
  if (!isUpgrade(c.req.header("upgrade"))) {
    c.header("Upgrade", "websocket");
    throw new HttpError(426, "expected a request for a WebSocket");
  }
  if (service.closed !== undefined) throw new HttpError(503, service.closed, { retryAfter: 10 });
  if (!service.engine)
    throw new HttpError(503, "live sound is heard only where a model is: there is none in this server");
  if (sockets.size >= config.maxLive) {
    const told = `all ${config.maxLive} places for live sound are taken; try again later`;
    throw new HttpError(429, told, { code: "queue_full", retryAfter: 10 });
  }
  const connection = c.env.incoming.socket;
  if (connection.destroyed) throw new HttpError(499, "the connection was closed");
  const socket = new LiveSocket(service, protocol);
  sockets.add(socket);
  connection.once("close", () => {
    sockets.delete(socket);
    c.set("sound", socket.seconds);
    socket.closed();
  });
  c.set("upgraded", true);
  return upgradeWebSocket(c, { onOpen: (_, { raw }) => socket.open(raw as WebSocket) });
}

/** A WebSocket that sound comes through. */
export class LiveSocket {
  readonly #service: Service;
  readonly #protocol: Protocol;
  #ws: WebSocket | undefined;
  #session: Session | undefined;
  /** The messages that have come are taken one after another. */
  #taken: Promise<void> = Promise.resolve();
  #waiting = 0;
  #ending: Promise<void> | undefined;
  #alive = true;
  #idle: NodeJS.Timeout | undefined;
  #pings: NodeJS.Timeout | undefined;
  #samples = 0;

  constructor(service: Service, protocol: Protocol) {
    this.#service = service;
    this.#protocol = protocol;
  }

  /** Seconds of sound that have come. */
  get seconds(): number {
    return this.#samples / SAMPLE_RATE;
  }

  /** @internal Called once it is upgraded. */
  open(ws: WebSocket): void {
    this.#ws = ws;
    ws.on("message", (message, binary) => this.#take(message as Buffer, binary));
    ws.on("error", () => {}); // it closes by itself
    ws.on("pong", () => {
      this.#alive = true;
    });
    const seconds = this.#service.config.idleTimeout * 10;
    this.#idle = setTimeout(() => {
      if (this.#waiting > 0) this.#idle?.refresh();
      else void this.end(1001, `nothing came for ${seconds} seconds`);
    }, seconds * 1000);
    this.#pings = setInterval(() => this.#ping(), PING_MS);
    try {
      this.#session = this.#protocol.begin(this);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Resolves once it is on its way, so that whoever waits sends no faster than the peer reads. */
  send(message: object): Promise<void> {
    return new Promise((resolve) => {
      if (this.#ws) this.#ws.send(JSON.stringify(message), () => resolve());
      else resolve();
    });
  }

  /** Counts samples that will be heard. @throws HttpError once they are more than a session may have */
  count(samples: number): void {
    const { maxSeconds } = this.#service.config;
    if (this.#samples + samples > maxSeconds * SAMPLE_RATE) {
      const told = `expected at most ${maxSeconds} seconds of sound in a session, got more`;
      throw new HttpError(413, told, { code: "session_too_long" });
    }
    this.#samples += samples;
    this.#service.metrics.sound.inc(samples / SAMPLE_RATE);
  }

  /** Ends it: what is open becomes final and is sent, then why it ends, then the socket is closed. */
  end(code: number, reason: string, error?: HttpError): Promise<void> {
    this.#ending ??= this.#end(code, reason, error);
    return this.#ending;
  }

  async #end(code: number, reason: string, error: HttpError | undefined): Promise<void> {
    clearTimeout(this.#idle);
    let told = error;
    await this.#session?.finish().catch((thrown) => {
      told ??= httpErrorOf(thrown);
    });
    if (told) await this.send(this.#protocol.told(told));
    this.#ws?.close(code, reason);
  }

  /** Ends it because of an error. */
  fail(thrown: unknown): void {
    if (this.#ending) return;
    const error = httpErrorOf(thrown);
    const { status, options } = error;
    if (status === 500) this.#service.log.error({ err: options.cause ?? thrown }, "an error of the server");
    const code = status >= 500 ? 1011 : options.code === "invalid_payload" ? 1007 : 1008;
    void this.end(code, "", error);
  }

  /** Ends it because the service stops: what has come is still heard. */
  async stop(reason: string): Promise<void> {
    await this.#taken;
    await this.end(1001, reason);
  }

  /** @internal Called once the connection is closed. */
  closed(): void {
    clearTimeout(this.#idle);
    clearInterval(this.#pings);
    this.#ending ??= Promise.resolve();
    this.#session?.drop();
  }

  /** While a message is taken no other is read: who sends too fast is slowed down by TCP. */
  #take(message: Buffer, binary: boolean): void {
    if (this.#ending) return;
    this.#waiting++;
    this.#ws?.pause();
    this.#taken = this.#taken
      .then(() => (this.#ending ? undefined : this.#session?.take(message, binary)))
      .catch((error) => this.fail(error))
      .then(() => {
        this.#idle?.refresh();
        if (--this.#waiting === 0) this.#ws?.resume();
      });
  }

  #ping(): void {
    if (this.#waiting > 0) return; // its answer would not be read
    if (this.#alive) this.#ws?.ping();
    else this.#ws?.terminate();
    this.#alive = false;
  }
}
