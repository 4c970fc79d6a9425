/**
 * Wire cases: the receipt of a paid answer, and what a second use of the credential brings.
 *
 * @module
 */
import { Expires } from '@polyrail/core'
import { must, type Case } from '../../case.js'
import { buy } from '../../buy.js'
import type { Wire } from '../../wire.js'

export const receipt: readonly Case<Wire>[] = [
  {
    id: 'receipt/on-success',
    requirements: ['core-001', 'core-032', 'core-033'],
    title: 'a paid answer carries a receipt that says success, method, time and reference',
    needs: ['pay'],
    async run(target) {
      const { answer } = await buy(target)
      must(answer.headers.has('payment-receipt'), 'a paid answer has no receipt', answer)
      must(answer.receipt, 'the receipt is not base64url of a receipt that says success', answer)
      const { method, timestamp, reference } = answer.receipt
      must(/^[a-z]+$/.test(method), `the receipt names the method "${method}"`)
      must(typeof reference === 'string', 'the receipt has no reference')
      const at = Expires.parse(timestamp)
      must(at !== undefined, `the receipt's time "${timestamp}" is not RFC 3339`)
      must(Math.abs(at - Date.now()) < 86_400_000, 'the receipt was settled on another day')
    },
  },
  {
    id: 'replay/second-use',
    requirements: [
      'charge-010',
      'charge-011',
      'charge-016',
      'charge-017',
      'charge-018',
      'core-065',
    ],
    threats: [1],
    title: 'a credential used again brings a 402 or the recorded answer, never a second page',
    needs: ['pay'],
    async run(target) {
      const { authorization, answer } = await buy(target)
      const again = await target.send({ headers: { authorization } })
      if (again.status >= 400) {
        must(again.status === 402, 'a used credential is refused with another status', again)
        must(again.wires.length > 0, 'a used credential brings no fresh challenge', again)
        return
      }
      must(again.text === answer.text, 'a used credential brings another page', again)
      const [first, second] = [answer, again].map(({ headers }) => headers.get('payment-receipt'))
      must(first === second, 'a used credential brings another receipt', again)
    },
  },
]
