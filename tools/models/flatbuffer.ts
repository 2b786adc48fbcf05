/*
 * As much of FlatBuffers as reading a TFLite file takes. The layout: flatbuffers.dev, "FlatBuffer Internals". Everything is
 * little endian; offsets to tables, vectors and strings are unsigned and relative to where they stand.
 */

/** A table: fields are found by their position in the schema, and absent ones have the schema's default. */
export class Table {
  constructor(
    readonly view: DataView,
    readonly at: number,
  ) {}

  /** The root table of a buffer. @throws when the four bytes after the root offset are not `identifier`. */
  static root(bytes: Uint8Array, identifier: string): Table {
    const found = String.fromCharCode(...bytes.subarray(4, 8))
    if (found !== identifier) throw new Error(`begins with "${found}" where "${identifier}" is expected`)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new Table(view, view.getUint32(0, true))
  }

  byte(field: number, fallback = 0): number {
    const at = this.#field(field)
    return at === undefined ? fallback : this.view.getUint8(at)
  }

  int(field: number, fallback = 0): number {
    const at = this.#field(field)
    return at === undefined ? fallback : this.view.getInt32(at, true)
  }

  table(field: number): Table | undefined {
    const at = this.#target(field)
    return at === undefined ? undefined : new Table(this.view, at)
  }

  tables(field: number): Table[] {
    return this.#vector(field, 4, (at) => new Table(this.view, at + this.view.getUint32(at, true)))
  }

  ints(field: number): number[] {
    return this.#vector(field, 4, (at) => this.view.getInt32(at, true))
  }

  /** A vector of bytes, where it lies. */
  bytes(field: number): Uint8Array {
    const at = this.#target(field)
    if (at === undefined) return new Uint8Array()
    return new Uint8Array(this.view.buffer, this.view.byteOffset + at + 4, this.view.getUint32(at, true))
  }

  text(field: number): string {
    return new TextDecoder().decode(this.bytes(field))
  }

  /** A table begins with the signed distance back to its vtable: two sizes, then one 16-bit offset a field. */
  #field(field: number): number | undefined {
    const vtable = this.at - this.view.getInt32(this.at, true)
    const entry = 4 + 2 * field
    if (entry >= this.view.getUint16(vtable, true)) return undefined
    const offset = this.view.getUint16(vtable + entry, true)
    return offset === 0 ? undefined : this.at + offset
  }

  #target(field: number): number | undefined {
    const at = this.#field(field)
    return at === undefined ? undefined : at + this.view.getUint32(at, true)
  }

  #vector<T>(field: number, size: number, read: (at: number) => T): T[] {
    const at = this.#target(field)
    if (at === undefined) return []
    return Array.from({ length: this.view.getUint32(at, true) }, (_, i) => read(at + 4 + i * size))
  }
}
