/**
 * Method cases: one proof, one purchase.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import { codeOf } from '../../answer.js'
import { present, type Bench } from '../../bench.js'
import { buy } from '../../buy.js'
import { must, type Case } from '../../case.js'

export const replay: readonly Case<Bench>[] = [
  {
    id: 'replay/same-credential',
    requirements: ['core-065', 'core-066', 'charge-010', 'charge-011', 'charge-016', 'charge-018'],
    threats: [1],
    title: 'the same credential settles once and has the page made once, however often it comes',
    async run({ open }) {
      const site = open()
      const { authorization } = await buy(site)
      for (let again = 0; again < 3; again++) await site.send({ headers: { authorization } })
      must(site.served() === 1, `the page was made ${site.served()} times for one payment`)
      const moved = await site.settled()
      must(moved === 1, `one credential moved money ${moved} times`)
    },
  },
  {
    id: 'replay/other-spelling',
    requirements: ['core-070'],
    threats: [10],
    title: 'a credential is the same however its scheme is written, and gets the same page',
    async run({ open }) {
      const site = open()
      const { authorization, answer } = await buy(site)
      for (const scheme of ['payment ', 'PAYMENT ', 'Payment  ']) {
        const spelled = authorization.replace(/^Payment /, scheme)
        const again = await site.send({ headers: { authorization: spelled } })
        must(again.text === answer.text, `"${scheme}" makes another credential of it`, again)
      }
      must(site.served() === 1, `the page was made ${site.served()} times for one payment`)
    },
  },
  {
    id: 'replay/plain-route',
    requirements: ['core-001', 'charge-011', 'charge-017', 'charge-018'],
    threats: [1],
    title: 'where answers are not kept, a used credential gets a 402 with a fresh challenge',
    async run({ open }) {
      const site = open()
      const url = site.url.replace('/paid', '/plain')
      const { authorization } = await buy(site, { url })
      const again = await site.send({ url, headers: { authorization } })
      must(again.status === 402, 'a used credential opens the page again', again)
      must(again.wires.length > 0, 'a used credential brings no fresh challenge', again)
      must(codeOf(again) === 'invalid-challenge', 'a used credential gets another problem', again)
      must(site.served() === 1, `the page was made ${site.served()} times for one payment`)
    },
  },
  {
    id: 'replay/proof-under-another-challenge',
    requirements: ['core-065', 'core-066', 'charge-010'],
    threats: [3],
    title: 'a spent proof does not pay for a second challenge',
    async run({ open }) {
      const site = open()
      const honest = await site.prove(await site.send())
      const paid = await site.send({ headers: { authorization: present(honest) } })
      must(paid.status < 400, 'an honest payment does not open the page', paid)
      for (const url of [site.url, site.other ?? site.url]) {
        const [challenge] = (await site.send({ url })).challenges
        must(challenge, 'there is no second challenge')
        const authorization = present({ ...honest, challenge })
        const answer = await site.send({ url, headers: { authorization } })
        must(answer.status === 402, 'one proof pays for two challenges', answer)
      }
      must((await site.settled()) === 1, 'one proof moved money twice')
      must(site.served() === 1, 'one proof made two pages')
    },
  },
  {
    id: 'replay/other-proof-same-challenge',
    requirements: ['charge-017'],
    threats: [1],
    title: 'a used challenge takes no second proof',
    async run({ open }) {
      const site = open()
      const first = await site.send()
      const [one, two] = [await site.prove(first), await site.prove(first)]
      const paid = await site.send({ headers: { authorization: present(one) } })
      must(paid.status < 400, 'an honest payment does not open the page', paid)
      const again = await site.send({ headers: { authorization: present(two) } })
      must(again.status === 402 || again.text === paid.text, 'one challenge sells two pages', again)
      must(site.served() === 1, 'one challenge made two pages')
    },
  },
  {
    id: 'replay/other-server',
    requirements: ['charge-016', 'charge-018'],
    threats: [1],
    title: 'a credential used at one server is used at its twin too, when they share a store',
    async run({ open }) {
      const store = Store.memory()
      const [one, two] = [open({ config: { store } }), open({ config: { store } })]
      const { authorization } = await buy(one)
      const again = await two.send({ headers: { authorization } })
      must(two.served() === 0, 'the twin server makes the page again', again)
      must((await one.settled()) === 1, 'the twin server moves the money again')
    },
  },
  {
    id: 'replay/claims-outlive-challenges',
    requirements: ['charge-016', 'charge-017'],
    threats: [1, 28],
    title: 'what the store remembers of a payment outlives its challenge, and ends some day',
    async run({ open }) {
      const site = open({ route: { expires: 900 } })
      await buy(site)
      must(site.writes.length > 0, 'nothing of a payment is remembered, so it can be used again')
      for (const { key, ttl } of site.writes) {
        must(ttl >= 900, `"${key}" is forgotten after ${ttl} s, while its challenge lives for 900`)
        must(Number.isFinite(ttl), `"${key}" is kept for ever: the store only grows`)
      }
    },
  },
]
