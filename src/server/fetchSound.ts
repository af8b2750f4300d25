import { lookup as dnsLookup, type LookupAddress } from "node:dns";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { HttpError } from "./httpError.ts";

const CONNECT_MS = 5_000;
const IDLE_MS = 10_000;
const MAX_REDIRECTS = 3;
const REDIRECTS = [301, 302, 303, 307, 308];

type Resolve = (name: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

export interface FetchSoundOptions {
  /** The only hosts that are asked: `sounds.example.com`, with the port if it is not the default one. */
  readonly hosts: readonly string[];
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
  /** How a name becomes addresses, and how long a connection may take and bring nothing. */
  readonly resolve?: Resolve;
  readonly connectMs?: number;
  readonly idleMs?: number;
  /** What is sent to the address; else it is asked for what is there. */
  readonly post?: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
}

const systemResolve: Resolve = (name, done) => dnsLookup(name, { all: true }, done);

/**
 * The bytes at an address, as they come. A client must not reach through the server what it cannot reach itself: only
 * hosts that were named are asked, also after a redirect, and only at public addresses, unless the host was named as an
 * address or as localhost. The addresses that were checked are those connected to.
 *
 * @throws HttpError 400 if there is nothing to be had, 413 if it is more than `maxBytes`, also while it comes; what
 *   `signal` was aborted with
 */
export async function fetchSound(address: string, options: FetchSoundOptions): Promise<AsyncIterable<Uint8Array>> {
  if (options.hosts.length === 0) refuse("this server fetches no addresses");
  let url = checkUrl(address, options.hosts);
  for (let redirects = 0; ; redirects++) {
    const response = await get(url, options);
    const { statusCode = 0, headers } = response;
    if (statusCode === 200) {
      const length = Number(headers["content-length"] ?? 0);
      if (length <= options.maxBytes) return read(response, options);
      response.destroy();
      throw tooLarge(options.maxBytes);
    }
    response.destroy();
    if (!REDIRECTS.includes(statusCode) || headers.location === undefined)
      refuse(`cannot be fetched (HTTP ${statusCode})`);
    if (redirects === MAX_REDIRECTS) refuse(`cannot be fetched (more than ${MAX_REDIRECTS} redirects)`);
    url = checkUrl(headers.location, options.hosts, url);
  }
}

/** Whether an address belongs to the internet: not to this machine or its network, and to no special purpose. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  // Of IPv6 only 2000::/3 is given to networks.
  const isGlobal = parsed.kind() === "ipv4" || parsed.match(ipaddr.parseCIDR("2000::/3"));
  return isGlobal && parsed.range() === "unicast";
}

/** An address that may be asked. @throws HttpError 400 */
export function checkUrl(address: string, hosts: readonly string[], base?: URL): URL {
  const url = URL.canParse(address, base?.href) ? new URL(address, base) : undefined;
  const what = base ? "redirected: " : "";
  if (url?.protocol !== "http:" && url?.protocol !== "https:")
    return refuse(`${what}expected an http or https address`);
  if (url.username || url.password) refuse(`${what}expected an address without user name and password`);
  const withPort = `${url.hostname}:${url.port || (url.protocol === "http:" ? 80 : 443)}`;
  if (!hosts.some((host) => [url.host, withPort].includes(host.toLowerCase()))) {
    // Where a host redirects to may be a secret.
    refuse(`${what}${base ? "the host" : url.host} is not one that this server fetches from`);
  }
  return url;
}

/** Resolves with the headers of the answer; redirects are not followed. See fetchSound for what is connected to. */
export function get(url: URL, options: FetchSoundOptions): Promise<IncomingMessage> {
  const { signal, post, resolve = systemResolve, connectMs = CONNECT_MS, idleMs = IDLE_MS } = options;
  return new Promise((respond, reject) => {
    let notPublic = false;
    // Not asked for where the host is an address.
    const lookup: LookupFunction = (name, { all }, done) => {
      resolve(name, (error, addresses) => {
        notPublic = !error && name !== "localhost" && !addresses.every((found) => isPublic(found.address));
        const problem = notPublic || addresses?.length === 0 ? new Error("no public address") : error;
        if (problem) return done(problem, "");
        if (all) return done(null, addresses);
        done(null, addresses[0].address, addresses[0].family);
      });
    };
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
      method: post ? "POST" : "GET",
      agent: false, // a connection of its own
      lookup,
      signal,
      timeout: idleMs,
      headers: { "user-agent": "sensevoice", "accept-encoding": "identity", ...post?.headers },
    });
    const timer = setTimeout(() => request.destroy(new Error("no connection in time")), connectMs);
    request.on("socket", (socket) => {
      socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => clearTimeout(timer));
    });
    request.on("timeout", () => request.destroy(new Error("nothing came in time")));
    request.on("close", () => clearTimeout(timer));
    request.on("error", () => {
      const reason = notPublic ? "cannot be fetched (the host has an address that is not public)" : "cannot be fetched";
      reject(signal?.aborted ? signal.reason : refusal(reason));
    });
    request.on("response", (response) => {
      response.on("error", () => {}); // told to whoever reads it, if anybody does
      respond(response);
    });
    request.end(post?.body);
  });
}

async function* read(response: IncomingMessage, { maxBytes, signal }: FetchSoundOptions): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw signal?.aborted ? signal.reason : refusal("the connection ended before the sound did");
  }
}

function tooLarge(maxBytes: number): HttpError {
  return new HttpError(413, `url: expected at most ${maxBytes} bytes`, { param: "url" });
}

function refusal(message: string): HttpError {
  return new HttpError(400, `url: ${message}`, { param: "url" });
}

function refuse(message: string): never {
  throw refusal(message);
}
