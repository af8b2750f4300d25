import type { Context, MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { quote, SenseVoiceError } from "../error.ts";
import { HttpError } from "./httpError.ts";

export interface GuardOptions {
  /** Origins whose pages may use the server, as a browser sends them: `https://app.example.com`. */
  readonly cors: readonly string[];
  /** Whether the server listens on this machine's own addresses alone. */
  readonly loopback: boolean;
}

const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

/**
 * What each answer needs, an upgrade to a WebSocket's too: headers for a browser, CORS for the origins named, and 403
 * for a page of any other origin. CORS alone would keep such a page from reading an answer, but not from asking, and does
 * not hold for WebSockets. On a loopback address the host asked for has to be this machine: else a page whose name was
 * made to lead here (DNS rebinding) would be of the same origin.
 *
 * @throws SenseVoiceError for an origin that no browser sends
 */
export function guard({ cors: origins, loopback }: GuardOptions): MiddlewareHandler {
  checkOrigins(origins);
  const headers = secureHeaders({
    contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    xFrameOptions: "DENY",
    // Whoever ends TLS in front of the server decides on this.
    strictTransportSecurity: false,
    // A route that answers with a page has a policy of its own.
    overwrite: false,
  });
  const shared = cors({
    origin: [...origins],
    allowMethods: ["GET", "POST", "DELETE"],
    allowHeaders: ["Authorization", "Content-Type"],
    exposeHeaders: ["X-Cache", "X-Request-Id", "Retry-After"],
    maxAge: 600,
  });
  const refusalOf = (c: Context): HttpError | undefined => {
    const host = c.req.header("host") ?? new URL(c.req.url).host;
    const origin = c.req.header("origin");
    if (loopback && !LOOPBACK_HOST.test(host)) {
      return new HttpError(403, "host: expected localhost, 127.0.0.1 or [::1]", { code: "host_not_allowed" });
    }
    if (origin === undefined || [...origins, `http://${host}`, `https://${host}`].includes(origin)) return undefined;
    return new HttpError(403, "origin: pages from there may not use this server", { code: "origin_not_allowed" });
  };
  return (c, next) =>
    headers(c, async () => {
      const refusal = refusalOf(c);
      if (refusal) {
        c.res = c.json(refusal.body, 403);
        c.res.headers.set("Vary", "Origin");
      } else {
        const preflight = await shared(c, next);
        if (preflight) c.res = preflight;
      }
      c.res.headers.delete("Server");
    });
}

/** Throws a SenseVoiceError unless each is an origin as a browser sends it: scheme, host and, if not the default, port. */
export function checkOrigins(list: readonly string[]): void {
  for (const given of list) {
    const url = URL.canParse(given) && !given.includes("*") ? new URL(given) : undefined;
    const origin = url && /^https?:$/.test(url.protocol) ? url.origin : undefined;
    if (origin === given) continue;
    throw new SenseVoiceError(
      `[cors] expected ${origin ?? "one such as https://app.example.com"}, got ${quote(given)}`,
    );
  }
}
