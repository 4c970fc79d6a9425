/**
 * Reference rail `order`: the payer signs an order for one challenge, and the server has the bank carry it out.
 *
 * @module
 */
import { Method, Outcome, type Refund } from '@polyrail/core'
import type { Rail } from '../rail.js'
import { createBank, type Bank } from './bank.js'
import { strings } from './schema.js'

export const method = Method.from({
  name: 'order',
  intent: 'charge',
  schema: {
    request: strings(['amount', 'currency', 'recipient']),
    credential: { payload: strings(['payer', 'nonce', 'signature']) },
  },
})

type Presented = Method.Presented<typeof method>

/**
 * The split form in full: `validate` judges the signature, `settle` moves the money or sets it aside, `replayKey`
 * names the order, and `reconcile` looks it up at the bank; `capture` and `cancel` end what was set aside, and `refund` gives back.
 *
 * @example
 * conformance(reference.order())
 */
export function order(): Rail<typeof method> & { bank: Bank } {
  const bank = createBank()
  const price = { currency: 'credits', recipient: 'shop' }
  return {
    bank,
    server: createServer(bank),
    client: createClient(bank),
    options: { ...price, amount: '10' },
    dearer: { ...price, amount: '25' },
    capabilities: {
      pushes: false,
      issues: false,
      bindsChallenge: true,
      namesPayer: true,
      reconciles: true,
    },
    tamper(payload, { id, request }) {
      const { nonce } = payload
      const as = (payer: string, amount = request.amount) =>
        bank.sign(payer, text({ id, nonce, request: { ...request, amount } }))
      return [
        { title: 'a foreign nonce', payload: { ...payload, nonce: 'other' } },
        { title: "another payer's name", payload: { ...payload, payer: 'bob' } },
        { title: 'an unknown payer', payload: { ...payload, payer: 'eve' } },
        {
          title: 'a signature over a lower amount',
          payload: { ...payload, signature: as('ann', '1') },
        },
        { title: 'no signature to speak of', payload: { ...payload, signature: 'AA' } },
        {
          title: 'too little money behind it',
          payload: { payer: 'bob', nonce, signature: as('bob') },
          code: 'payment-insufficient',
        },
      ]
    },
    fault: bank.fail,
    settled: bank.moves,
    refunded: bank.refunds,
    patience: 300,
  }
}

function createServer(bank: Bank) {
  return Method.toServer(method, {
    validate({ challenge, credential: { payload } }) {
      const { payer, nonce, signature } = payload
      if (!bank.verify(payer, text({ ...challenge, nonce }), signature))
        return Outcome.rejected('verification-failed', {
          detail: 'The signature is not the payer’s.',
        })
      if ((bank.balance(payer) ?? 0n) < BigInt(challenge.request.amount))
        return Outcome.rejected('payment-insufficient', { detail: 'The payer has too little.' })
      return { memo: memoOf({ credential: { payload } }) }
    },
    // The signature names the challenge, so the order dies with it.
    replayKey: (presented) => ({ key: memoOf(presented), ttl: 900 }),
    payer: ({ credential }) => credential.payload.payer,
    async settle({ challenge: { id, request }, credential: { payload }, validated, capture }) {
      const amount = BigInt(request.amount)
      const { memo } = validated
      const order = { from: payload.payer, to: request.recipient, amount, memo, about: id }
      if (capture !== 'after') return { reference: await bank.transfer(order) }
      await bank.hold(order)
      return Outcome.authorized()
    },
    async reconcile(presented) {
      const memo = memoOf(presented)
      const reference = await bank.find(memo)
      if (reference !== undefined) return Outcome.settled({ reference })
      return bank.isHeld(memo) ? Outcome.authorized() : Outcome.unsettled({ retryAfter: 1 })
    },
    async capture(presented) {
      const memo = memoOf(presented)
      const reference = (await bank.find(memo)) ?? (await bank.capture(memo))
      return Outcome.settled({ reference })
    },
    async cancel(presented) {
      const memo = memoOf(presented)
      const reference = await bank.find(memo)
      if (reference !== undefined) return Outcome.settled({ reference })
      await bank.release(memo)
      return Outcome.rejected('verification-failed', { detail: 'The order was not carried out.' })
    },
    refund: (asked) => refund(bank, asked),
  })
}

async function refund(bank: Bank, asked: Refund.Asked): Promise<Refund.Refund | Outcome.Unmoved> {
  const { reference, challengeId } = asked.payment
  const { order, back } = bank.look(reference) ?? {}
  if (order?.about !== challengeId)
    return Outcome.rejected('verification-failed', { detail: 'This payment is of no such order.' })
  const memo = `back/${reference}/${asked.id}`
  const made = await bank.find(memo)
  const left = order.amount - (back ?? 0n)
  if (made !== undefined)
    return { reference: made, amount: bank.look(made)?.order.amount ?? 0n, left }
  const amount = asked.amount ?? left
  if (amount > left || left === 0n)
    return Outcome.rejected('verification-failed', { detail: 'Less is left of this order.' })
  const given = await bank.transfer({ from: order.to, to: order.from, amount, memo })
  return { reference: given, amount, left: left - amount }
}

function createClient(bank: Bank) {
  return Method.toClient(method, {
    createCredential({ challenge }) {
      const nonce = crypto.randomUUID()
      const signature = bank.sign('ann', text({ ...challenge, nonce }))
      return {
        payload: { payer: 'ann', nonce, signature },
        source: 'did:bank:ann',
        authorization: true,
      }
    },
  })
}

const memoOf = ({ credential }: { credential: Pick<Presented['credential'], 'payload'> }): string =>
  `${credential.payload.payer}/${credential.payload.nonce}`

/** What the payer signs. */
function text(parts: {
  id: string
  nonce: string
  request: Presented['challenge']['request']
}): string {
  const { id, nonce, request } = parts
  return [id, request.amount, request.currency, request.recipient, nonce].join('|')
}
