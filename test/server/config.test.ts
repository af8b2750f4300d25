import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { readConfig, serveSchema, workerSchema } from "../../src/server/config.ts";

describe("options of the service", () => {
  const dir = mkdtempSync(join(tmpdir(), "sensevoice-config-"));
  afterAll(() => rmSync(dir, { recursive: true }));
  const file = (text: string) => {
    const path = join(dir, "config.yaml");
    writeFileSync(path, text);
    return path;
  };
  const read = (args: string[] = [], env: NodeJS.ProcessEnv = {}) => {
    return readConfig(serveSchema, new Command("serve").exitOverride(), args, env);
  };

  test("have defaults that suit one machine", () => {
    expect(read()).toMatchObject({
      host: "127.0.0.1",
      port: 8000,
      concurrency: 4,
      maxQueue: 16,
      cache: "memory",
      hash: "md5",
      cors: [],
      maxUpload: 100_000_000,
    });
  });

  test("a flag counts more than the environment, that more than the file", () => {
    const path = file("port: 1\nmaxQueue: 1\ntimeout: 1\ncors: [https://a.example]\nmaxUpload: 2MB\n");
    const config = read(["--config", path, "--port", "3"], { SENSEVOICE_PORT: "2", SENSEVOICE_MAX_QUEUE: "2" });
    expect(config).toMatchObject({
      port: 3,
      maxQueue: 2,
      timeout: 1,
      cors: ["https://a.example"],
      maxUpload: 2_000_000,
    });
    expect(read([], { SENSEVOICE_CONFIG: path }).timeout).toBe(1);
  });

  test("numbers, sizes, lists and switches are read from texts", () => {
    const args =
      "--max-upload 1.5GB --cache-memory 10kb --itn --cors https://a.example --cors https://b.example --grace 0.5";
    expect(read(args.split(" "))).toMatchObject({
      maxUpload: 1_500_000_000,
      cacheMemory: 10_000,
      itn: true,
      cors: ["https://a.example", "https://b.example"],
      grace: 0.5,
    });
    expect(read([], { SENSEVOICE_CORS: "https://a.example, https://b.example", SENSEVOICE_ITN: "true" })).toMatchObject(
      {
        itn: true,
        cors: ["https://a.example", "https://b.example"],
      },
    );
  });

  test("what is wrong is told with where it was given", () => {
    expect(() => read(["--max-queue", "many"])).toThrow('--max-queue: expected a number, got "many"');
    expect(() => read(["--port", "70000"])).toThrow("--port: expected a number up to 65535, got 70000");
    expect(() => read(["--concurrency", "0"])).toThrow("--concurrency: expected a number from 1 on, got 0");
    expect(() => read(["--max-upload", "huge"])).toThrow('--max-upload: expected a number, got "huge"');
    expect(() => read([], { SENSEVOICE_DEVICE: "abacus" })).toThrow("SENSEVOICE_DEVICE: expected one of auto, webgpu");
    const path = file("maxQueue: many\n");
    expect(() => read(["--config", path])).toThrow(`${path}: maxQueue: expected a number, got "many"`);
    expect(() => read(["--config", file("colour: red\n")])).toThrow(`${path}: colour: not known here`);
    expect(() => read(["--config", file("- 1\n")])).toThrow(`${path}: expected options, name: value`);
    expect(() => read(["--config", file("a: [\n")])).toThrow(`${path}: cannot be read`);
    expect(() => read(["--config", join(dir, "none")])).toThrow(`${join(dir, "none")}: cannot be read`);
  });

  test("those of compose.yaml are known", () => {
    const { services } = parse(readFileSync(new URL("../../compose.yaml", import.meta.url), "utf8"));
    const [name, ...front] = services.front.command.split(" ");
    expect(name).toBe("serve");
    expect(read(front)).toMatchObject({ queue: "redis://redis:6379", cache: "redis://redis:6379" });
    const [other, ...args] = services.worker.command.split(" ");
    expect(other).toBe("worker");
    expect(readConfig(workerSchema, new Command("worker"), args, {}).queue).toBe("redis://redis:6379");
  });

  test("a worker needs a queue", () => {
    const worker = (args: string[]) => readConfig(workerSchema, new Command("worker").exitOverride(), args, {});
    expect(() => worker([])).toThrow("--queue: expected a text, got nothing");
    expect(worker(["--queue", "redis://localhost"])).toMatchObject({ queue: "redis://localhost", concurrency: 4 });
  });
});
