/**
 * A regtest chain mined by hand: valid headers, proofs of work, merkle roots and witness commitments, and no other program.
 *
 * @module
 */
import {
  compact,
  decode,
  doubleSha256,
  encode,
  merkleRoot,
  sha256,
  type Transaction,
  txid,
  u32,
} from './bitcoin.js'

/** Who is told about blocks. */
export type Follower = {
  connected: (block: Uint8Array, height: number) => void
  disconnected: (header: Uint8Array, height: number) => void
}

/** A chain in memory. */
export type Chain = {
  /** Takes a transaction into the pool, for the next block that {@link Chain.mine} makes. */
  broadcast: (raw: Uint8Array) => void
  /** How many transactions are in the pool. */
  waiting: () => number
  /** Makes a block of all that is in the pool. */
  mine: () => void
  /**
   * Brings the time of the newest block to this machine's. A newest block that is empty is replaced, so that the height,
   * by which Lightning counts its deadlines, stays as it is.
   */
  keepTime: () => void
  /** A valid transaction that pays satoshis to a script. It is not in the pool yet. */
  fund: (script: Uint8Array, value: bigint) => Uint8Array
  /** Tells a follower about every block, those of the past included. */
  follow: (follower: Follower) => void
  /** Lets a follower go. */
  unfollow: (follower: Follower) => void
}

type Block = {
  header: Buffer
  bytes: Uint8Array
  time: number
  empty: boolean
  coinbase: Transaction
}

/** Coins can be spent when a hundred blocks are upon them; one is spent a channel. */
const blocksAtStart = 101

/** The hash of regtest's first block, in the order of the wire. */
const genesis = Buffer.from(
  '06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f',
  'hex',
)

/** Regtest's target, which every second hash meets. */
const bits = 0x207fffff

const opTrue = Buffer.from([0x51])

/** Pays to whoever shows the script `OP_TRUE`. */
const anyone = Buffer.concat([Buffer.from([0x00, 0x20]), sha256(opTrue)])

/** The miner's fee of a funding transaction, in satoshis. */
const fee = 1_000n

/** Mines the first {@link blocksAtStart} blocks, one a second until now. */
export function openChain(): Chain {
  const blocks: Block[] = []
  const followers = new Set<Follower>()
  const pool = new Map<string, Transaction>()
  let spent = 0

  const connect = (transactions: readonly Transaction[], time: number) => {
    const block = makeBlock(transactions, {
      height: blocks.length + 1,
      time,
      parent: blocks.at(-1),
    })
    blocks.push(block)
    for (const { connected } of followers) connected(block.bytes, blocks.length)
  }
  const now = () => Math.max(Math.floor(Date.now() / 1000), blocks.at(-1)?.time ?? 0)
  const mine = () => {
    const transactions = [...pool.values()]
    pool.clear()
    connect(transactions, now())
  }

  const begun = Math.floor(Date.now() / 1000)
  for (let left = blocksAtStart; left > 0; left--) connect([], begun - left)

  return {
    broadcast(raw) {
      const transaction = decode(raw)
      pool.set(txid(transaction).toString('hex'), transaction)
    },
    waiting: () => pool.size,
    mine,
    keepTime() {
      const newest = blocks.at(-1)
      const time = now()
      if (newest === undefined || newest.time >= time) return
      if (newest.empty) {
        for (const { disconnected } of followers) disconnected(newest.header, blocks.length)
        blocks.pop()
      }
      connect([], time)
    },
    fund(script, value) {
      // A coin ripens with each block: one is mined a channel, and one is spent.
      const coin = blocks[spent++]
      if (coin === undefined || spent + 100 > blocks.length) throw new Error('no coin is ripe')
      return Uint8Array.from(encode(spend(coin.coinbase, Buffer.from(script), value)))
    },
    follow(follower) {
      blocks.forEach(({ bytes }, index) => follower.connected(bytes, index + 1))
      followers.add(follower)
    },
    unfollow: (follower) => void followers.delete(follower),
  }
}

function spend(coinbase: Transaction, script: Buffer, value: bigint): Transaction {
  const change = (coinbase.outputs[0]?.value ?? 0n) - value - fee
  if (change < 0n) throw new Error(`no coin is worth ${value} sat`)
  return {
    version: 2,
    inputs: [
      {
        txid: txid(coinbase),
        vout: 0,
        script: Buffer.alloc(0),
        sequence: 0xfffffffd,
        witness: [opTrue],
      },
    ],
    outputs: [
      { value, script },
      { value: change, script: anyone },
    ],
    locktime: 0,
  }
}

function makeBlock(
  transactions: readonly Transaction[],
  { height, time, parent }: { height: number; time: number; parent: Block | undefined },
): Block {
  const coinbase = makeCoinbase(transactions, height)
  const all = [coinbase, ...transactions]
  const previous = parent ? doubleSha256(parent.header) : genesis
  const fields = [u32(0x20000000), previous, merkleRoot(all.map(txid)), u32(time), u32(bits)]
  const header = prove(Buffer.concat(fields))
  const bytes = Uint8Array.from(Buffer.concat([header, compact(all.length), ...all.map(encode)]))
  return { header, bytes, time, empty: transactions.length === 0, coinbase }
}

/** Counts up the nonce until the hash is below the target. */
function prove(fields: Buffer): Buffer {
  for (let nonce = 0; ; nonce++) {
    const header = Buffer.concat([fields, u32(nonce)])
    if ((doubleSha256(header)[31] ?? 0xff) < 0x7f) return header
  }
}

function makeCoinbase(transactions: readonly Transaction[], height: number): Transaction {
  const reserved = Buffer.alloc(32)
  const root = merkleRoot([reserved, ...transactions.map((one) => doubleSha256(encode(one)))])
  const commitment = doubleSha256(Buffer.concat([root, reserved]))
  return {
    version: 2,
    inputs: [
      {
        txid: Buffer.alloc(32),
        vout: 0xffffffff,
        script: heightScript(height),
        sequence: 0xffffffff,
        witness: [reserved],
      },
    ],
    outputs: [
      { value: 5_000_000_000n >> BigInt(Math.floor(height / 150)), script: anyone },
      {
        value: 0n,
        script: Buffer.concat([Buffer.from('6a24aa21a9ed', 'hex'), commitment]),
      },
    ],
    locktime: 0,
  }
}

/** BIP 34: a coinbase begins with its height, as the shortest script that pushes it. */
function heightScript(height: number): Buffer {
  if (height < 17) return Buffer.from([0x50 + height, 0x00])
  const digits: number[] = []
  for (let rest = height; rest > 0; rest >>= 8) digits.push(rest & 0xff)
  if ((digits.at(-1) ?? 0) & 0x80) digits.push(0)
  return Buffer.from([digits.length, ...digits])
}
