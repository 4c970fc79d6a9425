/**
 * Client cases: what a client must not pay.
 *
 * @module
 */
import { BodyDigest } from '@polyrail/core'
import type { Question } from '@polyrail/core/client'
import { must, type Case } from '../../case.js'
import { asking, challenge, offer, page, URL_PAID, type ClientBench } from '../../purse.js'

/** What is wrong with the only offer → the offer. */
const OFFERS: readonly (readonly [
  title: string,
  offer: () => string,
  threats: readonly number[],
])[] = [
  ['an amount above the cap', () => challenge({ request: asking({ amount: '101' }) }), [12]],
  ['an amount in exponent form', () => challenge({ request: asking({ amount: '1e1' }) }), [23]],
  ['a negative amount', () => challenge({ request: asking({ amount: '-1' }) }), [23]],
  ['a fraction of a base unit', () => challenge({ request: asking({ amount: '0.5' }) }), [23]],
  ['a number with a plus sign', () => challenge({ request: asking({ amount: '+1' }) }), [23]],
  ['another currency', () => challenge({ request: asking({ currency: 'gold' }) }), [12]],
  ['an expiry in the past', () => challenge({ expires: '2020-01-01T00:00:00Z' }), [13]],
  ['an expiry in the year 9999', () => challenge({ expires: '9999-12-31T23:59:59Z' }), [13]],
  ['an expiry that is no time', () => challenge({ expires: 'soon' }), [13]],
  ['no expiry', () => challenge({ expires: undefined }), [13]],
  ['a foreign realm', () => challenge({ realm: 'bank.example' }), [13]],
  ['an empty id', () => challenge({ id: '' }), []],
  ['no id', () => challenge({ id: undefined }), []],
  ['the digest of another body', () => challenge({ digest: BodyDigest.create('other') }), [5, 14]],
  ['a request that is no JSON', () => challenge({ request: 'bm9wZQ' }), [8]],
  ['an unknown intent', () => challenge({ intent: 'authorize' }), []],
  ['an unknown method', () => challenge({ method: 'gold' }), []],
]

/** What nobody was asked. */
const blank: Partial<Question> = {}

export const consent: readonly Case<ClientBench>[] = [
  {
    id: 'client/refuses-bad-offers',
    requirements: [
      'core-008',
      'core-019',
      'core-037',
      'core-041',
      'core-074',
      'charge-013',
      'charge-021',
    ],
    threats: [5, 8, 12, 13, 14, 23],
    title:
      'a client pays no offer that is above its cap, in another currency, expired, foreign or unreadable',
    async run({ open }) {
      for (const [title, make] of OFFERS) {
        const purse = open({ answer: ({ credential }) => (credential ? page() : offer([make()])) })
        const response = await purse.fetch()
        must(purse.paid.length === 0, `the client pays an offer with ${title}`)
        must(response.status === 402, `the client hides the 402 of an offer with ${title}`)
      }
    },
  },
  {
    id: 'client/no-consent-no-payment',
    requirements: ['core-074', 'core-085', 'charge-013'],
    threats: [12],
    title: 'without a cap and without anybody to ask, a client pays nothing',
    async run({ open }) {
      const purse = open({ policy: {} })
      must((await purse.fetch()).status === 402, 'the 402 is hidden')
      must(purse.paid.length === 0, 'a client that was told no limit pays all the same')
    },
  },
  {
    id: 'client/asks-and-heeds',
    requirements: ['core-085', 'charge-014', 'charge-015'],
    threats: [13],
    title:
      'who is asked sees host, amount, currency and recipient; no, silence or a throw is a veto',
    async run({ open }) {
      const asked: Partial<Question>[] = []
      const answers: Readonly<Record<string, () => boolean | Promise<boolean>>> = {
        no: () => false,
        'a throw': () => {
          throw new Error('hook broke')
        },
        'a rejection': () => Promise.reject(new Error('hook broke')),
        'no answer': () => new Promise(() => {}),
      }
      for (const [kind, answer] of Object.entries(answers)) {
        const purse = open({ policy: { max: '100', approve: answer, approveTimeout: 50 } })
        await purse.fetch().catch(() => undefined)
        must(purse.paid.length === 0, `${kind} from who was asked counts as consent`)
      }
      const purse = open({ policy: { approve: (question) => (asked.push(question), true) } })
      await purse.fetch()
      must(purse.paid.length === 1, 'a yes is no consent')
      const [{ url, amount, price, challenge: seen } = blank] = asked
      must(url === URL_PAID && seen?.realm === 'shop.example', 'who is asked does not see who asks')
      must(amount === '10' && price?.currency === 'coin', 'who is asked does not see the price')
      must(seen.request['recipient'] === 'shop', 'who is asked does not see who is paid')
    },
  },
  {
    id: 'client/known-recipients',
    requirements: ['core-074', 'charge-014'],
    threats: [4],
    title: 'where recipients are named, no other is paid',
    async run({ open }) {
      const policy = { max: '100', recipients: ['shop'] }
      const stranger = () => offer([challenge({ request: asking({ recipient: 'mallory' }) })])
      const purse = open({ policy, answer: stranger })
      await purse.fetch()
      must(purse.paid.length === 0, 'a recipient that is not named is paid')
      const known = open({ policy })
      await known.fetch()
      must(known.paid.length === 1, 'a recipient that is named is not paid')
    },
  },
  {
    id: 'client/description-is-not-the-price',
    requirements: ['core-020', 'core-075'],
    title: 'what an offer says to people does not make it cheaper',
    async run({ open }) {
      const request = asking({ amount: '5000', description: 'costs 1 coin' })
      const lie = () => offer([challenge({ request, description: 'only 1 coin' })])
      const purse = open({ answer: lie })
      await purse.fetch()
      must(purse.paid.length === 0, 'a lying description gets 5,000 coins')
    },
  },
  {
    id: 'client/plain-http',
    requirements: ['core-055', 'core-057', 'core-058', 'charge-020'],
    threats: [13],
    title: 'nothing is paid over plain http, but to loopback',
    async run({ open }) {
      const purse = open()
      await purse.fetch('http://shop.example/paid').catch(() => undefined)
      must(purse.paid.length === 0, 'a payment travels over plain http')
      const local = (realm: string) =>
        open({ answer: ({ credential }) => (credential ? page() : offer([challenge({ realm })])) })
      for (const host of ['localhost', '127.0.0.1']) {
        const near = local(host)
        await near.fetch(`http://${host}:3000/paid`)
        must(near.paid.length === 1, `a server on ${host} cannot be paid in development`)
      }
    },
  },
  {
    id: 'client/budget',
    requirements: ['core-074'],
    threats: [12],
    title: 'the sum of all payments stays within the budget, also when they run side by side',
    async run({ open }) {
      const purse = open({ policy: { max: '100', total: '35' } })
      await Promise.all(Array.from({ length: 10 }, () => purse.fetch()))
      must(purse.paid.length === 3, `a budget for 3 payments made ${purse.paid.length}`)
      const host = open({
        policy: { max: '100', perHost: '15' },
        answer: ({ url, credential }) =>
          credential ? page() : offer([challenge({ realm: url.hostname })]),
      })
      for (const name of ['a', 'a', 'b']) await host.fetch(`https://${name}.example/`)
      must(host.paid.length === 2, `a budget a host made ${host.paid.length} payments`)
    },
  },
]
