/** A sound for the workers of a queue, past HTTP: npx tsx examples/service/bullmqProducer.ts REDIS_URL FILE */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Queue, QueueEvents } from "bullmq";
import { Redis } from "ioredis";

const [address, file] = process.argv.slice(2);
const connection = new Redis(address, { maxRetriesPerRequest: null });
const queue = new Queue("sensevoice", { connection });
const events = new QueueEvents("sensevoice", { connection });

const sound = `sensevoice:sound:${randomUUID()}`;
await connection.set(sound, await readFile(file), "EX", 86_400);
const job = await queue.add("hear", { sound, ask: { language: "auto" } }, { removeOnComplete: { age: 86_400 } });
const { segments } = await job.waitUntilFinished(events);
for (const { text } of segments) console.log(text);

await events.close();
await queue.close();
connection.disconnect();
