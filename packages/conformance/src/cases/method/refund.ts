/**
 * Method cases: money that goes back, once, and not beside a page.
 *
 * @module
 */
import type { Refund } from '@polyrail/core'
import type { Bench, Site } from '../../bench.js'
import { buy } from '../../buy.js'
import { must, type Case } from '../../case.js'

export const refund: readonly Case<Bench>[] = [
  {
    id: 'refund/once',
    requirements: [],
    threats: [19],
    title: 'a refund is made once, however often it is asked for',
    needs: ['refunds'],
    async run({ open, rail }) {
      const site = open()
      await buy(site)
      const receipt = receiptOf(site)
      const before = await refunded(rail)
      const asked = await Promise.allSettled(Array.from({ length: 5 }, () => site.refund(receipt)))
      must(
        asked.some(({ status }) => status === 'fulfilled'),
        'no call gives the money back',
      )
      await site.refund(receipt)
      must((await refunded(rail)) - before === 1, 'one payment is given back twice')
      const more = await site.refund(receipt, { id: 'more' }).catch(() => undefined)
      must(more === undefined, 'more goes back than came')
      must((await refunded(rail)) - before === 1, 'more goes back than came')
    },
  },
  {
    id: 'refund/of-this-payment',
    requirements: [],
    threats: [19],
    title: 'a receipt that is put together of two gives nothing back, and the right one still does',
    needs: ['refunds'],
    async run({ open, rail }) {
      const site = open()
      await buy(site)
      const other = receiptOf(site)
      await buy(site)
      const receipt = receiptOf(site)
      const before = await refunded(rail)
      const forged = { ...receipt, challengeId: other.challengeId }
      const made = await site.refund(forged).catch(() => undefined)
      must(made === undefined, 'the money of one payment goes back for another')
      must((await refunded(rail)) === before, 'the money of one payment goes back for another')
      await site.refund(receipt)
      must((await refunded(rail)) - before === 1, 'a payment cannot be given back any more')
    },
  },
  {
    id: 'refund/owed-page',
    requirements: [],
    threats: [11, 19],
    title: 'whose money went back gets no page for it',
    needs: ['refunds'],
    async run({ open }) {
      const site = open()
      site.page(() => new Response('broken', { status: 500 }))
      const authorization = await site.pay(await site.send())
      await site.send({ headers: { authorization } })
      await site.refund(receiptOf(site))
      site.page(() => new Response('page'))
      const answer = await site.send({ headers: { authorization } })
      must(answer.status === 402, 'money that went back still buys the page', answer)
    },
  },
  {
    id: 'refund/not-declared',
    requirements: [],
    title: 'a rail that gives nothing back says so',
    needs: ['!refunds'],
    async run({ open, rail }) {
      const payment = { method: rail.server.name, reference: 'any', challengeId: 'any' }
      const failure = await open()
        .refund(payment)
        .catch((error: unknown) => error)
      must(failure instanceof TypeError, `${rail.server.name} pretends to give money back`)
    },
  },
]

function receiptOf({ receipts }: Site): Refund.Payment {
  const receipt = receipts.at(-1)
  must(receipt, 'a payment settles and the operator does not hear of it')
  must(typeof receipt['challengeId'] === 'string', 'a receipt does not say what it is for')
  return receipt as Refund.Payment & typeof receipt
}

async function refunded({ refunded: count }: Bench['rail']): Promise<number> {
  must(count, 'the fixture of a rail that gives money back needs `refunded`')
  return count()
}
