import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveStatic } from "@hono/node-server/serve-static";
import type { Context, Hono } from "hono";
import { defaultModel, findModel, findSpeaker, TINY } from "../weights/home.ts";
import type { RequestEnv, Service } from "./service.ts";

/** Where the page is once it was built: seen from dist/server and from src/server. */
const PLACES = ["../site/", "../../dist-site/"].map((path) => fileURLToPath(new URL(path, import.meta.url)));
const MODEL = "/weights/tiny/";

/**
 * The page at `/`, if it was built. It needs no key: it asks for one itself. Its headers isolate it, so that it may have
 * threads; what it may load stands in its own head.
 */
export function addPage(app: Hono<RequestEnv>, { config }: Service): void {
  const site = [config.site ?? PLACES].flat().find((place) => existsSync(join(place, "index.html")));
  if (site === undefined) {
    app.get("/", (c) =>
      c.text("the page is not built here: npm run site; the service is described in /openapi.json\n"),
    );
    return;
  }
  // How the page knows that there is a service that can do the work, and whether it tells speakers apart.
  const speakers = (config.speakerModel ?? findSpeaker(findModel(config.model ?? defaultModel()))) !== undefined;
  app.get("/web.json", (c) => c.json({ service: true, keys: config.keys !== undefined, speakers }));
  const onFound = (_: string, c: Context) => {
    c.header("Content-Security-Policy", "frame-ancestors 'none'");
    c.header("Cross-Origin-Embedder-Policy", "require-corp");
  };
  const file = serveStatic({ root: site, onFound });
  for (const name of readdirSync(site, { recursive: true, encoding: "utf8" })) app.get(`/${name}`, file);
  app.get("/", file);
  // The package has it once, for the command line and the page.
  app.get(
    `${MODEL}*`,
    serveStatic({ root: TINY, rewriteRequestPath: (path) => path.slice(MODEL.length - 1), onFound }),
  );
}
