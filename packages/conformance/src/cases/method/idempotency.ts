/**
 * Method cases: Idempotency-Key.
 *
 * @module
 */
import type { Bench } from '../../bench.js'
import { buy } from '../../buy.js'
import { must, type Case } from '../../case.js'

export const idempotency: readonly Case<Bench>[] = [
  {
    id: 'idempotency/same-credential',
    requirements: ['core-069', 'core-070'],
    threats: [10],
    title:
      'a retried POST with its Idempotency-Key and credential gets the first response, and nothing runs twice',
    async run({ open }) {
      const site = open()
      const order = {
        method: 'POST',
        body: '{"order":1}',
        headers: { 'idempotency-key': '"order-1"' },
      }
      const { authorization, answer } = await buy(site, order)
      const headers = { ...order.headers, authorization }
      const again = await site.send({ ...order, headers })
      must(
        again.status === answer.status,
        'the retry is not answered as the first request was',
        again,
      )
      must(again.text === answer.text, 'the retry gets another response', again)
      must(site.served() === 1, 'the retry runs the operation again')
      must((await site.settled()) === 1, 'the retry pays again')
    },
  },
  {
    id: 'idempotency/keys-are-not-payment',
    requirements: ['core-002'],
    threats: [1],
    title: 'an Idempotency-Key without a credential opens nothing, known or not',
    async run({ open }) {
      const site = open()
      const order = { method: 'POST', body: '{}', headers: { 'idempotency-key': '"order-2"' } }
      await buy(site, order)
      const stolen = await site.send(order)
      must(stolen.status === 402, 'who knows an Idempotency-Key gets the page for nothing', stolen)
    },
  },
  {
    id: 'idempotency/new-key-new-order',
    requirements: ['core-069'],
    title: 'two orders with two keys are two payments and two operations',
    async run({ open }) {
      const site = open()
      for (const key of ['"a"', '"b"'])
        await buy(site, { method: 'POST', body: '{}', headers: { 'idempotency-key': key } })
      must(site.served() === 2, `two orders ran ${site.served()} operations`)
      must((await site.settled()) === 2, 'two orders are not two payments')
    },
  },
  {
    id: 'idempotency/second-credential',
    requirements: ['core-069', 'core-070'],
    threats: [10],
    title:
      'a payer who comes with a new credential and the old key gets the first response, and keeps the money',
    needs: ['provesPayer', '!pushes'],
    async run({ open }) {
      const site = open()
      const order = { method: 'POST', body: '{}', headers: { 'idempotency-key': '"once"' } }
      const first = await buy(site, order)
      const second = await buy(site, order)
      must(second.answer.text === first.answer.text, 'the operation runs again for one key')
      must(site.served() === 1, `one key ran ${site.served()} operations`)
      must((await site.settled()) === 1, 'one key is paid for twice')
    },
  },
  {
    id: 'idempotency/unproven-payer',
    requirements: ['core-069'],
    threats: [1],
    title:
      'where nobody can tell who pays, a key leads to nothing that another credential paid for',
    needs: ['!provesPayer'],
    async run({ open }) {
      const site = open()
      const order = { method: 'POST', body: '{}', headers: { 'idempotency-key': '"once"' } }
      const first = await buy(site, order)
      const second = await buy(site, order)
      must(
        second.answer.text !== first.answer.text,
        'who knows a key is given what another paid for',
      )
      must(site.served() === 2, `two payments brought ${site.served()} pages`)
      must((await site.settled()) === 2, 'a second payment is taken and not counted, or not taken')
    },
  },
]
