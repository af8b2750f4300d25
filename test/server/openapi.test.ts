import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { z } from "zod";
import { createApp } from "../../src/server/app.ts";
import { serveSchema } from "../../src/server/config.ts";
import { createOpenapi } from "../../src/server/openapi.ts";
import {
  errorSchema,
  modelsSchema,
  transcriptionSchema,
  transcriptSchema,
  verboseSchema,
} from "../../src/server/responses.ts";
import type { Service } from "../../src/server/service.ts";
import { formOf, SAMPLES, startTestServer, type TestServer } from "./support.ts";

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly minimum?: number;
  readonly maximum?: number;
}

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}

const sound = new Uint8Array(readFileSync(join(SAMPLES, "zh-happy.wav")));

describe("the description of the service", () => {
  let server: TestServer;
  let paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  beforeAll(async () => {
    server = await startTestServer(["--max-upload", "1MB"]);
    paths = (await (await fetch(`${server.address}/openapi.json`)).json()).paths;
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
    expect(server.log()).not.toContain('"level":50');
  });

  test("has nothing that a linter of OpenAPI finds fault with", async () => {
    const config = await createConfig({ extends: ["recommended"] });
    for (const auth of [false, true]) {
      const source = JSON.stringify(createOpenapi({ version: "1.0.0", auth }));
      const problems = await lintFromString({ source, config, absoluteRef: "openapi.json" });
      expect(problems.map(({ message }) => message)).toEqual([]);
    }
    const broken = await lintFromString({ source: '{"openapi":"3.1.1","info":{}}', config, absoluteRef: "x.json" });
    expect(broken).not.toEqual([]);
  });

  test("has every route but the page's and the sockets', and no other", () => {
    const service = { config: serveSchema.parse({ site: "nowhere" }), transcriber: {}, queue: {}, version: "0" };
    const { routes } = createApp(service as unknown as Service);
    const there = routes
      .filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, "{$1}")}`)
      .filter((route) => !["get /", "get /v1/live", "get /v1/realtime"].includes(route));
    const described = Object.entries(paths).flatMap(([path, methods]) => {
      return Object.keys(methods).map((method) => `${method} ${path}`);
    });
    expect(there.sort()).toEqual(described.sort());
  });

  test("holds for the answers", async () => {
    const ask = async (schema: z.ZodType, route: string, fields?: Record<string, string>) => {
      const body = fields && formOf(sound, fields);
      const answer = await fetch(server.address + route, body ? { method: "POST", body } : {});
      const { success, error } = schema.safeParse(await answer.json());
      expect(error?.message).toBeUndefined();
      expect(success).toBe(true);
      expect(Object.keys(paths[route][body ? "post" : "get"].responses)).toContain(String(answer.status));
    };
    await ask(modelsSchema, "/v1/models");
    await ask(transcriptSchema, "/v1/transcribe", { timestamps: "true", logProbs: "true" });
    await ask(transcriptionSchema, "/v1/audio/transcriptions", { model: "m", "include[]": "logprobs" });
    const verbose = { model: "m", response_format: "verbose_json", "timestamp_granularities[]": "word" };
    await ask(verboseSchema, "/v1/audio/transcriptions", verbose);
    await ask(errorSchema, "/v1/audio/transcriptions", {});
  });

  test("random requests get an answer that it foresees, never an error of the server", async () => {
    const posts = Object.entries(paths).flatMap(([route, { post }]) => (post?.requestBody ? [{ route, post }] : []));
    expect(posts.length).toBeGreaterThanOrEqual(2);
    const request = fc.constantFrom(...posts).chain(({ route, post }) => {
      const schema = post.requestBody?.content["application/json"].schema as Schema;
      const { file, url, ...fields } = schema.properties ?? {};
      const values = Object.fromEntries(
        Object.entries(fields).map(([name, field]) => [name, mostly(arbitraryOf(field))]),
      );
      const body = fc.tuple(
        fc.record(values, { requiredKeys: ["model"].filter((name) => name in values) }).chain((all) =>
          fc.subarray(Object.keys(all)).map((kept) => ({
            model: all.model,
            ...Object.fromEntries(kept.slice(0, 3).map((name) => [name, all[name]])),
          })),
        ),
        fc.oneof(
          { weight: 9, arbitrary: fc.constant({}) },
          { weight: 1, arbitrary: fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 1 }) },
        ),
      );
      const file_ = fc.oneof({ weight: 3, arbitrary: fc.constant(sound) }, fc.uint8Array({ maxLength: 2000 }));
      return fc.record({ route: fc.constant(route), body, file: file_, form: fc.boolean() });
    });
    const seen = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(request, async ({ route, body: [fields, more], file, form }) => {
        // The route needs a model; half of the time it gets one.
        const all: Record<string, unknown> = { ...more, ...fields };
        const answer = await fetch(server.address + route, {
          method: "POST",
          ...(form ? asForm(all, file) : asJson(all, file)),
        });
        seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
        expect(answer.status).toBeLessThan(500);
        expect(Object.keys(paths[route].post.responses)).toContain(String(answer.status));
        const text = await answer.text();
        if (answer.status !== 200) {
          const { error } = errorSchema.parse(JSON.parse(text));
          expect(error.message).not.toMatch(/\n|\/work|\/tmp|\.ts\b|node_modules/);
        }
      }),
      { numRuns: 300, seed: 20261121 },
    );
    expect(seen.get(200)).toBeGreaterThan(20);
    expect(seen.get(400)).toBeGreaterThan(20);
  });
});

/** Now and then something else. */
function mostly(arbitrary: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 30, arbitrary }, { weight: 1, arbitrary: fc.jsonValue() });
}

function arbitraryOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(arbitraryOf));
  const { minimum = 0, maximum = 1000 } = schema;
  switch (schema.type) {
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: minimum, max: maximum });
    case "number":
      return fc.double({ min: minimum, max: maximum, noNaN: true });
    case "array":
      return fc.array(arbitraryOf(schema.items ?? {}), { maxLength: 3 });
    case "object":
      return fc.record(
        Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, field]) => [name, arbitraryOf(field)])),
        { requiredKeys: ["type", "text"].filter((name) => name in (schema.properties ?? {})) },
      );
    case "null":
      return fc.constant(null);
    default:
      return fc.oneof(fc.constantFrom("hello", "你好"), fc.string());
  }
}

function asForm(fields: Readonly<Record<string, unknown>>, file: Uint8Array): RequestInit {
  const texts = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return { body: formOf(new Uint8Array(file), Object.fromEntries(texts)) };
}

function asJson(fields: Readonly<Record<string, unknown>>, file: Uint8Array): RequestInit {
  const body = JSON.stringify({ ...fields, file: Buffer.from(file).toString("base64") });
  return { body, headers: { "content-type": "application/json" } };
}
