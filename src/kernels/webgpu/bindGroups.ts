import type { PooledBuffer } from "./buffers.ts";
import { PARAMS_BYTES } from "./params.ts";

/** The bindings of all kernels with the same numbers of buffers. */
export interface Layout {
  readonly id: number;
  readonly layout: GPUBindGroupLayout;
}

/** A tensor. */
interface Bound {
  readonly pooled: PooledBuffer;
}

interface Entry {
  readonly layout: Layout;
  /** Of the buffers. */
  readonly ids: readonly number[];
  readonly group: GPUBindGroup;
  /** The next with the same hash. */
  readonly next: Entry | undefined;
}

const MAX_GROUPS = 16384;

/** Bind groups by layout and buffers: one takes Dawn 20 µs to make, and none to find. */
export class BindGroups {
  readonly #device: GPUDevice;
  readonly #params: GPUBuffer;
  readonly #entries = new Map<number, Entry>();
  #count = 0;

  /** @param params the uniform buffer at binding 0 */
  constructor(device: GPUDevice, params: GPUBuffer) {
    this.#device = device;
    this.#params = params;
  }

  get(layout: Layout, reads: readonly Bound[], writes: readonly Bound[]): GPUBindGroup {
    let hash = layout.id;
    for (let i = 0; i < reads.length; i++) hash = mix(hash, reads[i].pooled.id);
    for (let i = 0; i < writes.length; i++) hash = mix(hash, writes[i].pooled.id);
    const first = this.#entries.get(hash);
    for (let entry = first; entry; entry = entry.next) {
      if (entry.layout === layout && isOf(entry.ids, reads, writes)) return entry.group;
    }
    if (this.#count >= MAX_GROUPS) this.clear();
    const buffers = [...reads, ...writes].map(({ pooled }) => pooled);
    const group = this.#device.createBindGroup({
      layout: layout.layout,
      entries: [
        { binding: 0, resource: { buffer: this.#params, size: PARAMS_BYTES } },
        ...buffers.map(({ buffer }, i) => ({ binding: i + 1, resource: { buffer } })),
      ],
    });
    const ids = buffers.map(({ id }) => id);
    this.#entries.set(hash, { layout, ids, group, next: this.#entries.get(hash) });
    this.#count++;
    return group;
  }

  clear(): void {
    this.#entries.clear();
    this.#count = 0;
  }
}

function isOf(ids: readonly number[], reads: readonly Bound[], writes: readonly Bound[]): boolean {
  if (ids.length !== reads.length + writes.length) return false;
  for (let i = 0; i < reads.length; i++) if (ids[i] !== reads[i].pooled.id) return false;
  for (let i = 0; i < writes.length; i++) if (ids[reads.length + i] !== writes[i].pooled.id) return false;
  return true;
}

/** FNV-1a's step, with a number for a byte. */
function mix(hash: number, id: number): number {
  return Math.imul(hash ^ id, 0x01000193);
}
