import type { IncomingHttpHeaders } from "node:http";

/** How a page gives its key: a browser's WebSocket has no headers of the page's own. OpenAI's client does the same. */
const KEY_PROTOCOL = "openai-insecure-api-key.";

/** The key that a request gives: `Authorization: Bearer KEY`, or a WebSocket's subprotocol `openai-insecure-api-key.KEY`. */
export function keyOfRequest(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
  if (bearer !== undefined || headers.upgrade?.toLowerCase() !== "websocket") return bearer;
  const protocols = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
  return protocols.find((name) => name.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length) || undefined;
}

/** The subprotocol that is answered with, of those that a client offers: never the one that is a key. */
export function chooseProtocol(offered: ReadonlySet<string>): string | false {
  if (offered.has("realtime")) return "realtime";
  return [...offered].find((name) => !name.startsWith(KEY_PROTOCOL)) ?? false;
}
