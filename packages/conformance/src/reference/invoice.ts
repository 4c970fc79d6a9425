/**
 * Reference rail `invoice`: every challenge carries an invoice of its own, and the payer pays it before asking again.
 *
 * @module
 */
import { Method, Outcome } from '@polyrail/core'
import type { Rail } from '../rail.js'
import { createBank, type Bank } from './bank.js'
import { strings } from './schema.js'

export const method = Method.from({
  name: 'invoice',
  intent: 'charge',
  schema: {
    request: strings(['amount', 'currency'], ['invoice']),
    credential: { payload: strings(['preimage']) },
  },
})

/**
 * The split form without `reconcile`: when the bank's answer is lost, nobody can ever find out, so
 * the payment stays unknown and is never settled twice.
 *
 * @example
 * conformance(reference.invoice())
 */
export function invoice(): Rail<typeof method> & { bank: Bank } {
  const bank = createBank()
  return {
    bank,
    server: createServer(bank),
    client: Method.toClient(method, {
      async createCredential({ challenge: { request } }) {
        return { payload: { preimage: await bank.payInvoice('ann', request.invoice ?? '') } }
      },
    }),
    options: { amount: '10', currency: 'credits' },
    dearer: { amount: '25', currency: 'credits' },
    capabilities: {
      pushes: true,
      issues: true,
      bindsChallenge: true,
      namesPayer: false,
      reconciles: false,
    },
    async tamper(_payload, { request }) {
      const other = bank.invoice('shop', BigInt(request.amount))
      return [
        { title: 'a made-up preimage', payload: { preimage: 'nonsense' } },
        { title: 'the invoice’s own hash', payload: { preimage: request.invoice } },
        {
          title: 'the preimage of another paid invoice',
          payload: { preimage: await bank.payInvoice('ann', other) },
        },
      ]
    },
    fault: bank.fail,
    settled: bank.moves,
    patience: 300,
  }
}

function createServer(bank: Bank) {
  return Method.toServer(method, {
    issued: {
      fields: ['invoice'],
      create: ({ request }) => ({ invoice: bank.invoice('shop', BigInt(request.amount)) }),
    },
    validate({ challenge, credential }) {
      const { invoice = '' } = challenge.request
      return bank.isPaid(invoice, credential.payload.preimage)
        ? invoice
        : Outcome.rejected('verification-failed', { detail: 'The invoice is not paid.' })
    },
    replayKey: ({ challenge }) => challenge.request.invoice ?? '',
    settle: async ({ validated }) => ({ reference: await bank.book(validated) }),
  })
}
