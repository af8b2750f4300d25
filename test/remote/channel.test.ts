import { MessageChannel } from "node:worker_threads";
import { expect, test } from "vitest";
import { Channel, type LentIterator, type Port } from "../../src/remote/channel.ts";

test("an iterator of the other side brings what it yields, and what it returns", async () => {
  const { port1, port2 } = new MessageChannel();
  const near = new Channel(port1 as unknown as Port);
  async function* numbers() {
    yield 1;
    yield 2;
    return "turns";
  }
  const far: Channel = new Channel(port2 as unknown as Port, { count: () => far.lendIterator(numbers()) });
  port1.on("message", (message) => near.receive(message));
  port2.on("message", (message) => far.receive(message));
  const steps = near.iterate<number>(await near.call<LentIterator>("count"));
  expect([await steps.next(), await steps.next(), await steps.next()]).toEqual([
    { done: false, value: 1 },
    { done: false, value: 2 },
    { done: true, value: "turns" },
  ]);
  port1.close();
});
