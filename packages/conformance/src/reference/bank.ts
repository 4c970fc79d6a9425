/**
 * The network of the reference rails: a bank in memory with real rules, that can be told to fail.
 *
 * @module
 */
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import type { Fault } from '../rail.js'

/** Why the bank refuses. Its `name` tells it from a network failure. */
class BankRefusal extends Error {
  override name = 'BankRefusal'
}

export type Invoice = { hash: string; amount: bigint; to: string; preimage: string; paid: boolean }

export type Bank = ReturnType<typeof createBank>

/**
 * Opens a bank with three customers: `ann`, who is rich, `bob`, who has nothing, and the `shop`.
 *
 * @example
 * const bank = createBank()
 * await bank.transfer({ from: 'ann', to: 'shop', amount: 10n, memo: 'tea' })
 * bank.moves() // 1
 */
export function createBank() {
  const balances = new Map([
    ['ann', 1_000_000_000_000n],
    ['bob', 0n],
    ['shop', 0n],
  ])
  const keys = new Map([...balances.keys()].map((name) => [name, randomUUID()]))
  const ledger = createLedger(balances)
  const network = createNetwork()

  return {
    /** Makes the next call to the bank fail. */
    fail: network.fail,
    /** How many payments the shop has got, and how many it has given back. */
    moves: () => ledger.count() - ledger.refunds(),
    refunds: ledger.refunds,
    balance: (name: string) => balances.get(name),
    /** Signs as a customer. */
    sign: (name: string, text: string) =>
      createHmac('sha256', keys.get(name) ?? '')
        .update(text)
        .digest('base64url'),
    /** Checks a customer's signature; an unknown customer has none. */
    verify(name: string, text: string, signature: string): boolean {
      const key = keys.get(name)
      if (key === undefined) return false
      const expected = createHmac('sha256', key).update(text).digest()
      const given = Buffer.from(signature, 'base64url')
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
    /** Moves money, as often as it is told to: nothing here saves a server that asks twice. */
    transfer: (order: Order) => network.call(() => ledger.move(order)),
    /** Finds a transfer by its memo. */
    find: async (memo: string) => ledger.find(memo),
    /** What a transfer was, by its reference, and what the shop has given back of it. */
    look: ledger.look,
    ...createHolds(balances, ledger.move, network),
    ...createTokens(ledger.move, network),
    ...createInvoices(ledger.move, network),
  }
}

/** `about` is what the customer says that it is for. */
type Order = { from: string; to: string; amount: bigint; memo: string; about?: string }
type Move = (order: Order) => string
type Network = ReturnType<typeof createNetwork>

function createLedger(balances: Map<string, bigint>) {
  const references = new Map<string, string>()
  const orders = new Map<string, Order>()
  const made = () => [...orders.values()]
  let count = 0
  return {
    count: () => count,
    refunds: () => made().filter(({ from }) => from === 'shop').length,
    look(reference: string) {
      const order = orders.get(reference)
      const back = made().filter(({ memo }) => memo.startsWith(`back/${reference}/`))
      return order && { order, back: back.reduce((sum, { amount }) => sum + amount, 0n) }
    },
    find: (memo: string) => references.get(memo),
    move(order: Order): string {
      const { from, to, amount, memo } = order
      const balance = balances.get(from) ?? 0n
      if (amount > balance) throw new BankRefusal('insufficient funds')
      balances.set(from, balance - amount)
      balances.set(to, (balances.get(to) ?? 0n) + amount)
      count += 1
      const reference = `move-${count}`
      references.set(memo, reference)
      orders.set(reference, order)
      return reference
    },
  }
}

/** Every call takes a turn of the event loop, so that racing requests do race. */
function createNetwork() {
  let armed: Fault | undefined
  return {
    fail: (kind: Fault) => void (armed = kind),
    async call<value>(act: () => value): Promise<value> {
      const fault = armed
      armed = undefined
      await new Promise((resolve) => setImmediate(resolve))
      if (fault === 'before-settle') throw failure()
      if (fault === 'hang') return new Promise(() => {})
      const value = act()
      if (fault === 'after-settle') throw failure()
      return value
    },
  }
}

const failure = () => Object.assign(new Error('connection reset'), { code: 'ECONNRESET' })

/** Money that is set aside: a customer cannot spend it, and the shop does not have it yet. */
function createHolds(balances: Map<string, bigint>, move: Move, network: Network) {
  const holds = new Map<string, Order>()
  const take = (from: string, amount: bigint) => {
    const balance = balances.get(from) ?? 0n
    if (amount > balance) throw new BankRefusal('insufficient funds')
    balances.set(from, balance - amount)
  }
  const free = (memo: string): Order => {
    const order = holds.get(memo)
    if (!order) throw new BankRefusal('nothing is set aside')
    balances.set(order.from, (balances.get(order.from) ?? 0n) + order.amount)
    return order
  }
  return {
    hold: (order: Order) =>
      network.call(() => {
        take(order.from, order.amount)
        holds.set(order.memo, order)
      }),
    isHeld: (memo: string) => holds.has(memo),
    /** Moves what was set aside. */
    capture: (memo: string) =>
      network.call(() => {
        const order = free(memo)
        holds.delete(memo)
        return move(order)
      }),
    /** Gives it free. */
    release: (memo: string) =>
      network.call(() => {
        free(memo)
        holds.delete(memo)
      }),
  }
}

/** Bearer tokens of a fixed worth, each redeemed once. */
function createTokens(move: Move, network: Network) {
  type Token = { from: string; amount: bigint; spent?: { by: string; reference: string } }
  const tokens = new Map<string, Token>()
  return {
    mint(from: string, amount: bigint): string {
      const token = randomUUID()
      tokens.set(token, { from, amount })
      return token
    },
    /** Whose token it is and what it is worth, whether or not it is spent. */
    worth: (token: string) => tokens.get(token),
    /** Redeems a token; asked again by the same redeemer, it gives the same reference. */
    redeem: (token: string, { to, amount, by }: { to: string; amount: bigint; by: string }) =>
      network.call(() => {
        const found = tokens.get(token)
        if (!found) throw new BankRefusal('no such token')
        if (found.amount !== amount) throw new BankRefusal('the token is worth another amount')
        if (found.spent && found.spent.by !== by) throw new BankRefusal('spent')
        found.spent ??= { by, reference: move({ from: found.from, to, amount, memo: token }) }
        return found.spent.reference
      }),
  }
}

/** Invoices that a customer pays directly; paying reveals the preimage of the invoice's hash. */
function createInvoices(move: Move, network: Network) {
  const invoices = new Map<string, Invoice>()
  return {
    invoice(to: string, amount: bigint): string {
      const preimage = randomUUID()
      const hash = hashOf(preimage)
      invoices.set(hash, { hash, amount, to, preimage, paid: false })
      return hash
    },
    async payInvoice(from: string, hash: string): Promise<string> {
      const invoice = invoices.get(hash)
      if (!invoice) throw new BankRefusal('no such invoice')
      move({ from, to: invoice.to, amount: invoice.amount, memo: hash })
      invoice.paid = true
      return invoice.preimage
    },
    /** True when the preimage is the hash's and the money is there. */
    isPaid: (hash: string, preimage: string) =>
      hashOf(preimage) === hash && invoices.get(hash)?.paid === true,
    /** Asks the bank to book a paid invoice to the shop's order. */
    book: (hash: string) => network.call(() => `invoice-${hash.slice(0, 12)}`),
  }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
