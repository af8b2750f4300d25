/**
 * One thread of the pool, in Node or a browser. Plain JavaScript, so that a worker can start it from the sources as
 * well. The first message starts it (threads.ts), each later one a Batch; thread 0 answers each Batch.
 */
const port = globalThis.postMessage
  ? globalThis
  : globalThis.process.getBuiltinModule("node:worker_threads").parentPort;

/** @type {(message: any) => void} */
let receive = start;
port.onmessage = ({ data }) => receive(data);

function start({ module, memory, thread, threads, kernelNames, ceilings }) {
  const own = memory ?? createMemory(ceilings);
  const { exports } = new WebAssembly.Instance(module, { env: { memory: own } });
  exports.start(thread, threads);

  receive = ({ commands, uploads, result, bytes }) => {
    // Growing by nothing shows this thread what the host has grown the memory to.
    own.grow(0);
    if (bytes > own.buffer.byteLength) own.grow(Math.ceil((bytes - own.buffer.byteLength) / 65536));
    const upload = (index, pointer) => {
      if (thread === 0) new Uint8Array(own.buffer, pointer).set(uploads[index]);
    };
    // From here on commands are for one thread alone, or for all: number `threads`.
    let whose = threads;
    const part = (index) => {
      whose = index;
      exports.workAlone(whose < threads);
    };
    const kernels = kernelNames.map((name) => ({ upload, part })[name] ?? exports[name]);
    const partIndex = kernelNames.indexOf("part");
    for (let i = 0; i < commands.length; ) {
      const end = i + 2 + commands[i + 1];
      if (whose === threads || whose === thread || commands[i] === partIndex) {
        kernels[commands[i]](...commands.subarray(i + 2, end));
        exports.barrier();
      }
      i = end;
    }
    const numbers = new Float32Array(thread === 0 ? result.count : 0);
    numbers.set(new Float32Array(own.buffer, result.pointer, numbers.length));
    exports.barrier(); // no thread begins the next batch, which may write there, before the copy is made
    if (thread === 0) port.postMessage(numbers, [numbers.buffer]);
  };
}

/** As large as this browser allows: see CEILINGS in device.ts. */
function createMemory([pages, ...smaller]) {
  try {
    return new WebAssembly.Memory({ initial: 2, maximum: pages, shared: true });
  } catch (error) {
    if (smaller.length === 0) throw error;
    return createMemory(smaller);
  }
}
