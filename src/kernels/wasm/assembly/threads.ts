/**
 * How the threads of a pool share one command after another. All of them run the same kernels with the same
 * arguments; inside a kernel they take tasks off a common counter, and after it they meet at a barrier. Or each works
 * off a part of the commands alone. These words of the shared memory are theirs, each on a cache line of its own; the host
 * clears them before a pool starts.
 */
const NEXT: usize = 64;
const ARRIVED: usize = 128;
const PHASE: usize = 192;

/** Looks before a thread goes to sleep at the barrier: some tens of microseconds, less than falling asleep costs. */
const SPINS = 20000;

/** This thread's number among those that share a command, from 0. */
export let thread: usize = 0;
let index: usize = 0;
let threads: i32 = 1;
let alone: bool = false;
/** Tasks of a command that this thread has taken as the only one. */
let taken: usize = 0;

export function start(own: i32, count: i32): void {
  index = own;
  thread = own;
  threads = count;
}

/** From here on this thread works off commands that no other one does, or again those of all. */
export function workAlone(yes: bool): void {
  alone = yes;
  thread = yes ? 0 : index;
}

/** Number of the next task that no thread has taken. */
export function next(): usize {
  return alone ? taken++ : atomic.add<usize>(NEXT, 1);
}

/** Returns once all threads that share a command have come here; the task counter is 0 again then. */
export function barrier(): void {
  if (alone) {
    taken = 0;
    return;
  }
  const phase = atomic.load<i32>(PHASE);
  if (atomic.add<i32>(ARRIVED, 1) === threads - 1) {
    atomic.store<i32>(ARRIVED, 0);
    atomic.store<i32>(NEXT, 0);
    atomic.store<i32>(PHASE, phase + 1);
    if (threads > 1) atomic.notify(PHASE, -1);
    return;
  }
  for (let i = 0; i < SPINS; i++) if (atomic.load<i32>(PHASE) !== phase) return;
  while (atomic.load<i32>(PHASE) === phase) atomic.wait<i32>(PHASE, phase, -1);
}
