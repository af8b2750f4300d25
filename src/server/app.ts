import { randomUUID } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { answerSound, httpErrorOf } from "./answer.ts";
import { guard } from "./guard.ts";
import { HttpError } from "./httpError.ts";
import { openLive } from "./live.ts";
import { askOf, formatAnswer, openaiAnswer, withFormat } from "./openai.ts";
import { createOpenapi } from "./openapi.ts";
import { addPage } from "./page.ts";
import { addJobRoutes } from "./queue/jobs.ts";
import { openRealtime } from "./realtime.ts";
import { openaiSchema, transcribeSchema } from "./schemas.ts";
import type { RequestContext, RequestEnv, Service } from "./service.ts";
import { keyOfRequest } from "./token.ts";

/** The routes, and what is done for all of them. */
export function createApp(service: Service): Hono<RequestEnv> {
  const { config, transcriber, metrics } = service;
  const document = createOpenapi({ version: service.version, auth: config.keys !== undefined });
  const app = new Hono<RequestEnv>();
  app.onError((error, c) => sendError(c, error, service));
  app.notFound((c) =>
    sendError(c, new HttpError(404, `${c.req.method} ${c.req.path}: there is no such route`), service),
  );
  app.use((c, next) => logged(c, service, next));
  app.use(guard({ cors: config.cors, loopback: isLoopback(config.host) }));

  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", (c) => {
    const problem = service.closed ?? transcriber.problem;
    return problem === undefined ? c.text("ready\n") : c.text(`${problem}\n`, 503);
  });

  app.get("/openapi.json", (c) => c.json(document));
  addPage(app, service);

  app.use((c, next) => identified(c, service, next));
  app.get("/metrics", async (c) =>
    c.body(await metrics.registry.metrics(), 200, { "Content-Type": metrics.registry.contentType }),
  );
  const created = Math.floor(Date.now() / 1000);
  const modelOf = () => ({ id: transcriber.model, object: "model", created, owned_by: "sensevoice" });
  app.get("/v1/models", (c) => c.json({ object: "list", data: [modelOf()] }));
  app.get("/v1/models/:id", (c) => {
    const model = modelOf();
    if (c.req.param("id") === model.id) return c.json(model);
    throw new HttpError(404, `model: expected ${model.id}, got another name`, {
      param: "model",
      code: "model_not_found",
    });
  });
  app.post("/v1/audio/transcriptions", (c) =>
    answerSound(c, service, {
      schema: openaiSchema,
      ask: (fields) => askOf(fields, config.itn),
      answer: openaiAnswer,
    }),
  );
  app.post("/v1/transcribe", (c) =>
    answerSound(c, service, {
      schema: transcribeSchema,
      ask: ({ format, marks, ...ask }) => withFormat(format, ask),
      answer: ({ format, marks, ...ask }, segments) => {
        const speakers = Boolean(withFormat(format, ask).speakers);
        return formatAnswer(format, { marks, speakers }, segments, { model: transcriber.model });
      },
    }),
  );
  addJobRoutes(app, service);
  app.get("/v1/live", (c) => openLive(c, service));
  app.get("/v1/realtime", (c) => openRealtime(c, service));
  refuseOtherMethods(app);
  return app;
}

/** A route that is there, but not for this method. */
function refuseOtherMethods(app: Hono<RequestEnv>): void {
  for (const path of new Set(app.routes.filter(({ method }) => method !== "ALL").map(({ path }) => path))) {
    const methods = app.routes.filter((route) => route.path === path && route.method !== "ALL");
    const allow = [...new Set(methods.map(({ method }) => method))].join(", ");
    app.all(path, (c) => {
      c.header("Allow", allow);
      throw new HttpError(405, `${c.req.path}: expected ${allow}, got ${c.req.method}`);
    });
  }
}

/** Whether only programs on this machine reach an address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

/** Gives each request a name, counts it, and writes one line about it. */
async function logged(c: RequestContext, { log, metrics }: Service, next: () => Promise<void>): Promise<void> {
  const begin = performance.now();
  c.set("id", randomUUID());
  c.header("X-Request-Id", c.get("id"));
  await next();
  const { method, routePath } = c.req;
  const route = routePath === "/*" || routePath === "*" ? "other" : routePath;
  // An upgrade has no answer of its own: it is over with its connection.
  const { incoming, outgoing } = c.env as Partial<HttpBindings>;
  (outgoing ?? incoming?.socket)?.once("close", () => {
    const ms = Math.round(performance.now() - begin);
    const status = c.get("upgraded") ? 101 : c.res.status;
    metrics.requests.inc({ route, status: String(status) });
    metrics.seconds.observe({ route }, ms / 1000);
    if (route === "/healthz" || route === "/readyz" || route === "/metrics") return;
    const { id, key, sound, cache } = c.var;
    log.info({ id, key, method, path: c.req.path, status, ms, sound, cache }, "request");
  });
}

/** Lets in who has a key, if there are any, and not too often. */
async function identified(c: RequestContext, service: Service, next: () => Promise<void>): Promise<void> {
  const { keys, limits } = service;
  const address = addressOf(c, service.config.behindProxy);
  if (!keys) {
    await limits.take(address);
    c.set("key", address);
    return next();
  }
  await limits.checkAddress(address);
  const token = keyOfRequest(c.env.incoming.headers);
  const key = token === undefined ? undefined : keys.find(token);
  if (!key) {
    if (token !== undefined) await limits.failed(address);
    const got = token === undefined ? "none" : "another one";
    throw new HttpError(401, `expected a key: Authorization: Bearer KEY; got ${got}`, { code: "invalid_api_key" });
  }
  await limits.take(key.name, key.perMinute);
  c.set("key", key.name);
  return next();
}

/** Who asks. Whoever is no proxy could claim any address. */
function addressOf(c: RequestContext, behindProxy: boolean): string {
  const forwarded = behindProxy ? c.req.header("x-forwarded-for")?.split(",").at(-1)?.trim() : undefined;
  return forwarded || (c.env.incoming.socket.remoteAddress ?? "unknown");
}

function sendError(c: RequestContext, thrown: unknown, { log }: Service): Response {
  const error = httpErrorOf(thrown);
  if (error.status === 500)
    log.error({ id: c.get("id"), err: error.options.cause ?? thrown }, "an error of the server");
  const { retryAfter } = error.options;
  if (retryAfter !== undefined) c.header("Retry-After", String(retryAfter));
  if (error.status === 401) c.header("WWW-Authenticate", "Bearer");
  return c.json(error.body, error.status as 400);
}
