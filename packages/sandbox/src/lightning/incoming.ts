/**
 * What a node is to be paid: its invoices, the payments that arrive for them, and those that are held.
 *
 * @module
 */
import type { Bolt11Invoice } from 'lightningdevkit'
import { sha256 } from './bitcoin.js'
import { fromHex, toHex, unwrap } from './devkit.js'
import type { Engine, Listener } from './engine.js'
import type { Hold, Invoice, InvoiceTerms } from './invoice.js'

/** The receiving half of a node. */
export type Incoming = {
  create: (terms: InvoiceTerms) => Invoice
  find: (paymentHash: string) => Invoice | undefined
  all: () => readonly Invoice[]
  /** Resolves when a payment for the invoice is held. */
  held: (paymentHash: string) => Promise<Invoice>
  /** Takes a held payment. Resolves when the money is this node's. */
  settle: (preimage: string) => Promise<Invoice>
  /** Sends a held payment back, and lets the invoice be paid no more. */
  cancel: (paymentHash: string) => void
  hold: () => Hold
  listener: Pick<Listener, 'claimable' | 'claimed'>
}

/** Blocks that a payer must leave for the last hop. Blocks come with channels only, so this bounds how many may open meanwhile. */
const finalBlocks = 144

type Stored = { -readonly [key in keyof Invoice]: Invoice[key] }
/** Payment hashes of what a hold has caught. */
type Holding = string[]

/** @param engine - The node. A function, since the engine is made with the listener. */
export function openIncoming(engine: () => Engine): Incoming {
  const desk = openDesk(engine)
  const { invoices, find, expect, sendBack, claim, becomes } = desk
  const holds = new Set<Holding>()
  return {
    find,
    all: () => [...invoices.values()],
    create(terms) {
      const made = issue(engine(), terms)
      invoices.set(made.paymentHash, made)
      return made
    },
    held: (paymentHash) => becomes(expect(paymentHash), 'held'),
    async settle(preimage) {
      const one = expect(toHex(sha256(fromHex(preimage))))
      if (one.status === 'paid') return one
      if (one.status !== 'held') throw new Error(`the invoice is ${one.status}: nothing is held`)
      one.preimage = preimage.toLowerCase()
      claim(preimage)
      return becomes(one, 'paid')
    },
    cancel(paymentHash) {
      const one = expect(paymentHash)
      if (one.status === 'paid') throw new Error('the invoice is paid')
      if (one.status === 'held') sendBack(one.paymentHash)
      one.status = 'cancelled'
    },
    hold: () => openHold(desk, holds, engine().until),
    listener: {
      claimable({ paymentHash, amountMsat }) {
        const one = find(paymentHash)
        // LDK itself would take a second payment, and by the time of the newest block; real nodes go by the clock.
        if (one?.status !== 'open' || isExpired(one)) return sendBack(paymentHash)
        one.status = 'held'
        one.receivedMsat = amountMsat
        const [hold] = holds
        if (hold) hold.push(paymentHash)
        else if (one.preimage !== undefined) claim(one.preimage)
      },
      claimed({ paymentHash, amountMsat }) {
        const one = find(paymentHash)
        if (one === undefined) return
        one.status = 'paid'
        one.receivedMsat = amountMsat
        one.paidAt = Math.floor(Date.now() / 1000)
      },
    },
  }
}

type Desk = ReturnType<typeof openDesk>

/** The invoices, and the three things that can be done about a payment for one. */
function openDesk(engine: () => Engine) {
  const invoices = new Map<string, Stored>()
  const find = (paymentHash: string) => invoices.get(paymentHash.toLowerCase())
  return {
    invoices,
    find,
    expect(paymentHash: string): Stored {
      const found = find(paymentHash)
      if (found === undefined) throw new Error(`no invoice has the payment hash ${paymentHash}`)
      return found
    },
    claim(preimage: string): void {
      engine().manager.claim_funds(fromHex(preimage))
      engine().poke()
    },
    sendBack(paymentHash: string): void {
      const { manager, poke } = engine()
      manager.fail_htlc_backwards(fromHex(paymentHash))
      manager.process_pending_htlc_forwards()
      poke()
    },
    async becomes(one: Stored, status: Invoice['status']): Promise<Stored> {
      await engine().until(() => one.status === status)
      return one
    },
  }
}

function issue({ devkit, manager, chain }: Engine, terms: InvoiceTerms): Stored {
  const { amountMsat, description = '', expirySeconds, paymentHash } = terms
  // LDK has no clock here: an invoice bears the time of the newest block.
  chain.keepTime()
  const text = devkit.Description.constructor_new(description)
  const made = unwrap<Bolt11Invoice>(
    manager.create_bolt11_invoice(
      amountMsat === undefined
        ? devkit.Option_u64Z.constructor_none()
        : devkit.Option_u64Z.constructor_some(amountMsat),
      devkit.Bolt11InvoiceDescription.constructor_direct(unwrap(text, 'describing the invoice')),
      devkit.Option_u32Z.constructor_some(expirySeconds),
      devkit.Option_u16Z.constructor_some(finalBlocks),
      paymentHash === undefined
        ? devkit.Option_ThirtyTwoBytesZ.constructor_none()
        : devkit.Option_ThirtyTwoBytesZ.constructor_some(fromHex(paymentHash)),
    ),
    'making an invoice',
  )
  const hash = made.payment_hash()
  const preimage =
    paymentHash === undefined
      ? unwrap<Uint8Array>(manager.get_payment_preimage(hash, made.payment_secret()), 'a preimage')
      : undefined
  return {
    invoice: made.to_str(),
    paymentHash: toHex(hash),
    paymentSecret: toHex(made.payment_secret()),
    ...(amountMsat === undefined ? {} : { amountMsat }),
    description,
    expirySeconds,
    createdAt: Number(made.duration_since_epoch()),
    ...(preimage ? { preimage: toHex(preimage) } : {}),
    status: 'open',
  }
}

/** Whether the time of an invoice is over, by this machine's clock. */
export function isExpired({ createdAt, expirySeconds }: Invoice): boolean {
  return Date.now() / 1000 > createdAt + expirySeconds
}

function openHold(
  { find, claim, sendBack }: Desk,
  holds: Set<Holding>,
  until: Engine['until'],
): Hold {
  const holding: Holding = []
  holds.add(holding)
  const end = (each: (one: Stored) => void) => {
    holds.delete(holding)
    for (const hash of holding.splice(0)) {
      const one = find(hash)
      if (one?.status === 'held') each(one)
    }
  }
  const release = () =>
    end(({ preimage }) => {
      if (preimage !== undefined) claim(preimage)
    })
  return {
    get held() {
      return [...holding]
    },
    async arrived(count = 1) {
      await until(() => holding.length >= count)
      return [...holding]
    },
    release,
    fail: () =>
      end((one) => {
        one.status = 'open'
        sendBack(one.paymentHash)
      }),
    [Symbol.dispose]: release,
  }
}
