/**
 * Bitcoin's bytes, as far as a hand-mined chain needs them: transactions, merkle roots, block headers.
 *
 * @module
 */
import { createHash } from 'node:crypto'

/** A transaction. Ids are in the order of the wire, which is the reverse of how they are shown. */
export type Transaction = {
  version: number
  inputs: readonly Input[]
  outputs: readonly Output[]
  locktime: number
}

/** What a transaction spends. */
export type Input = {
  txid: Buffer
  vout: number
  script: Buffer
  sequence: number
  witness: readonly Buffer[]
}

/** What a transaction pays, in satoshis. */
export type Output = { value: bigint; script: Buffer }

/** SHA-256. */
export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** SHA-256 of SHA-256, by which Bitcoin names things. */
export function doubleSha256(bytes: Uint8Array): Buffer {
  return sha256(sha256(bytes))
}

/** A number as four bytes, little end first. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

/** A count, in Bitcoin's compact form. */
export function compact(value: number): Buffer {
  if (value < 0xfd) return Buffer.from([value])
  if (value <= 0xffff) return Buffer.from([0xfd, value & 0xff, value >> 8])
  return Buffer.concat([Buffer.from([0xfe]), u32(value)])
}

function sized(bytes: Buffer): Buffer {
  return Buffer.concat([compact(bytes.length), bytes])
}

/** A transaction's bytes, with its witness when it has one. */
export function encode(transaction: Transaction): Buffer {
  const { inputs } = transaction
  if (inputs.every(({ witness }) => witness.length === 0)) return encodeBare(transaction)
  const bare = encodeBare(transaction)
  const witnesses = inputs.map(({ witness }) =>
    Buffer.concat([compact(witness.length), ...witness.map(sized)]),
  )
  // Between version and inputs stands the mark of a witness, which itself stands before the locktime.
  return Buffer.concat([
    bare.subarray(0, 4),
    Buffer.from([0, 1]),
    bare.subarray(4, -4),
    ...witnesses,
    bare.subarray(-4),
  ])
}

function encodeBare({ version, inputs, outputs, locktime }: Transaction): Buffer {
  return Buffer.concat([
    u32(version),
    compact(inputs.length),
    ...inputs.flatMap(({ txid, vout, script, sequence }) => [
      txid,
      u32(vout),
      sized(script),
      u32(sequence),
    ]),
    compact(outputs.length),
    ...outputs.flatMap(({ value, script }) => [u64(value), sized(script)]),
    u32(locktime),
  ])
}

/** A transaction's id, in the order of the wire. */
export function txid(transaction: Transaction): Buffer {
  return doubleSha256(encodeBare(transaction))
}

/** Reads a transaction that is known to be well-formed. */
export function decode(bytes: Uint8Array): Transaction {
  const read = reader(Buffer.from(bytes))
  const version = read.bytes(4).readUInt32LE()
  let count = read.count()
  const hasWitness = count === 0
  if (hasWitness) {
    read.bytes(1)
    count = read.count()
  }
  const spent = read.times(count, () => ({
    txid: read.bytes(32),
    vout: read.bytes(4).readUInt32LE(),
    script: read.bytes(read.count()),
    sequence: read.bytes(4).readUInt32LE(),
  }))
  const outputs = read.times(read.count(), () => ({
    value: read.bytes(8).readBigUInt64LE(),
    script: read.bytes(read.count()),
  }))
  const inputs = spent.map((input) => ({
    ...input,
    witness: hasWitness ? read.times(read.count(), () => read.bytes(read.count())) : [],
  }))
  return { version, inputs, outputs, locktime: read.bytes(4).readUInt32LE() }
}

function reader(buffer: Buffer) {
  let at = 0
  const bytes = (length: number) => buffer.subarray(at, (at += length))
  const count = () => {
    const first = bytes(1).readUInt8()
    if (first < 0xfd) return first
    return first === 0xfd ? bytes(2).readUInt16LE() : bytes(4).readUInt32LE()
  }
  const times = <item>(length: number, next: () => item) => Array.from({ length }, next)
  return { bytes, count, times }
}

/** The root of the tree of ids. */
export function merkleRoot(ids: readonly Buffer[]): Buffer {
  let row = ids
  while (row.length > 1) {
    const pairs = row.filter((_, index) => index % 2 === 0)
    row = pairs.map((left, index) =>
      doubleSha256(Buffer.concat([left, row[2 * index + 1] ?? left])),
    )
  }
  return row[0] ?? Buffer.alloc(32)
}
