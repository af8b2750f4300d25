import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";
import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";
import { HttpError } from "./httpError.ts";

/** Who is counted at a time: of more than these the one that asked longest ago is forgotten. */
const MAX_SUBJECTS = 10_000;
const MINUTE_S = 60;
/** Wrong keys in a minute from one address. */
const MAX_FAILURES = 20;

export interface Limits {
  /** Counts a request of a key's name or an address. HttpError 429 if it is one too many; `perMinute` is the key's own limit. */
  take(subject: string, perMinute?: number): Promise<void>;
  /** Counts a wrong key. HttpError 429 if it is one too many, as with several requests at the same time. */
  failed(address: string): Promise<void>;
  /** HttpError 429 where too many wrong keys came from. Ask it before a key is looked up. */
  checkAddress(address: string): Promise<void>;
}

/** @param perMinute requests a minute for whoever has no limit of his own; undefined: no limit */
export function createLimits({ perMinute: initial }: { readonly perMinute?: number }): Limits {
  const requests = createCounter();
  const failures = createCounter();
  return {
    async take(subject, perMinute = initial) {
      if (perMinute === undefined) return;
      const { consumedPoints, msBeforeNext } = await requests.add(networkOf(subject));
      if (consumedPoints > perMinute) refuse(`expected at most ${perMinute} requests a minute`, msBeforeNext);
    },
    async failed(address) {
      const { consumedPoints, msBeforeNext } = await failures.add(networkOf(address));
      if (consumedPoints > MAX_FAILURES) refuse("too many wrong keys from this address", msBeforeNext);
    },
    async checkAddress(address) {
      const { consumedPoints = 0, msBeforeNext = 0 } = (await failures.get(networkOf(address))) ?? {};
      if (consumedPoints >= MAX_FAILURES && msBeforeNext > 0) {
        refuse("too many wrong keys from this address", msBeforeNext);
      }
    },
  };
}

function refuse(message: string, waitMs: number): never {
  const retryAfter = Math.ceil(waitMs / 1000);
  throw new HttpError(429, `${message}; try again in ${retryAfter} s`, { code: "rate_limit_exceeded", retryAfter });
}

/** Counts per subject, for a minute from its first. */
function createCounter() {
  // Its own limit is none: each subject has another.
  const limiter = new RateLimiterMemory({ points: Number.MAX_SAFE_INTEGER, duration: MINUTE_S });
  const known = new LRUCache<string, true>({
    max: MAX_SUBJECTS,
    dispose: (_, subject) => void limiter.delete(subject),
  });
  return {
    add(subject: string): Promise<RateLimiterRes> {
      known.set(subject, true);
      return limiter.consume(subject);
    },
    async get(subject: string): Promise<RateLimiterRes | null> {
      return known.get(subject) ? limiter.get(subject) : null;
    },
  };
}

/**
 * Of an IPv6 address the first 64 bits, since whoever has one address has all of these; of a mapped one the IPv4 address.
 * What is no address stays.
 */
function networkOf(subject: string): string {
  if (!isIP(subject)) return subject;
  const parsed = ipaddr.process(subject);
  return "parts" in parsed ? parsed.parts.slice(0, 4).join(":") : parsed.toString();
}
