/*
 * As much of protobuf as reading a TensorFlow graph takes: the wire format of protobuf.dev, "Encoding". Fields are known by
 * number; what they mean stands in the .proto files.
 */

/** One message, its fields as they stand in the file. */
export class Message {
  readonly #fields = new Map<number, (number | Uint8Array)[]>()

  /** @throws RangeError when the bytes are no message. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    const varint = (): number => {
      let value = 0
      for (let shift = 0; ; shift += 7) {
        const byte = view.getUint8(at++)
        value += (byte & 127) * 2 ** shift
        if (byte < 128) return value
      }
    }
    const take = (length: number): Uint8Array => {
      if (at + length > bytes.length) throw new RangeError('a field is longer than the file')
      at += length
      return bytes.subarray(at - length, at)
    }
    while (at < bytes.length) {
      const key = varint()
      const [field, wire] = [Math.floor(key / 8), key % 8]
      let value: number | Uint8Array
      if (wire === 0) value = varint()
      else if (wire === 1) value = take(8)
      else if (wire === 2) value = take(varint())
      else if (wire === 5) value = take(4)
      else throw new RangeError(`wire type ${wire} at byte ${at}`)
      const values = this.#fields.get(field)
      if (values === undefined) this.#fields.set(field, [value])
      else values.push(value)
    }
  }

  number(field: number, fallback = 0): number {
    const value = this.#fields.get(field)?.at(-1)
    return typeof value === 'number' ? value : fallback
  }

  /** Every value of a field of bytes, text, messages or packed numbers. */
  all(field: number): Uint8Array[] {
    return (this.#fields.get(field) ?? []).filter((value) => typeof value !== 'number')
  }

  bytes(field: number): Uint8Array {
    return this.all(field).at(-1) ?? new Uint8Array()
  }

  text(field: number): string {
    return new TextDecoder().decode(this.bytes(field))
  }

  message(field: number): Message {
    return new Message(this.bytes(field))
  }

  messages(field: number): Message[] {
    return this.all(field).map((bytes) => new Message(bytes))
  }
}
