/**
 * Method cases: a paid credential buys what it was made for and nothing else.
 *
 * @module
 */
import { codeOf, type Answer } from '../../answer.js'
import type { Bench, Site } from '../../bench.js'
import { buy } from '../../buy.js'
import { must, type Case } from '../../case.js'
import type { Change } from '../../wire.js'

export const binding: readonly Case<Bench>[] = [
  {
    id: 'binding/other-route',
    requirements: ['core-009', 'core-011'],
    threats: [1],
    title: 'a credential for one route does not open another of the same price',
    async run({ open }) {
      const site = open()
      await refused(site, { url: site.other ?? '' }, 'another route of the same price')
    },
  },
  {
    id: 'binding/dearer-route',
    requirements: ['core-009', 'charge-012'],
    threats: [1, 4],
    title: 'a cheap credential does not open a dear route',
    async run({ open }) {
      const site = open()
      await refused(site, { url: site.url.replace('/paid', '/dear') }, 'a dearer route')
    },
  },
  {
    id: 'binding/price-rose',
    requirements: ['core-009', 'charge-012'],
    threats: [4],
    title: 'the price is the route’s as it is now, not what the credential says',
    async run({ open }) {
      const site = open()
      const authorization = await site.pay(await site.send())
      site.price('dearer')
      const answer = await site.send({ headers: { authorization } })
      must(answer.status === 402, 'the old price still opens the page', answer)
      site.price('usual')
      const after = await site.send({ headers: { authorization } })
      must(after.status < 400, 'the credential is refused at the price that it was made for', after)
    },
  },
  {
    id: 'binding/other-http-method',
    requirements: ['core-009'],
    threats: [1],
    title: 'a credential for GET does not pay for POST or DELETE',
    async run({ open }) {
      for (const method of ['POST', 'DELETE', 'HEAD']) await refused(open(), { method }, method)
    },
  },
  {
    id: 'binding/other-origin',
    requirements: ['core-009', 'core-011'],
    threats: [1],
    title:
      'a credential for one host does not open the same path on another host of the same server',
    async run({ open }) {
      await refused(open(), { url: 'https://other.example/paid' }, 'another host')
    },
  },
  {
    id: 'binding/other-shop',
    requirements: ['core-009', 'core-011'],
    threats: [1],
    title: 'a credential for one realm does not pay at another that shares its secret',
    async run({ open }) {
      const site = open()
      const authorization = await site.pay(await site.send())
      const other = open({ config: { realm: 'another.example' } })
      const answer = await other.send({ headers: { authorization } })
      must(answer.status === 402, 'a credential for one realm pays at another', answer)
    },
  },
  {
    id: 'binding/other-secret',
    requirements: ['core-009', 'core-027'],
    title: 'a challenge of another server is not taken for one’s own',
    async run({ open }) {
      const site = open()
      const authorization = await site.pay(await site.send())
      const other = open({ config: { secretKey: 'another-secret-that-is-long-enough-to-use' } })
      const answer = await other.send({ headers: { authorization } })
      must(answer.status === 402, 'a challenge signed with another secret is taken', answer)
      must(
        codeOf(answer) === 'invalid-challenge',
        'a foreign challenge gets another problem',
        answer,
      )
    },
  },
  {
    id: 'binding/body',
    requirements: ['core-016', 'core-017', 'core-029', 'core-030'],
    threats: [5],
    title: 'a credential pays for the body that it was asked with, and the page can still read it',
    async run({ open }) {
      const site = open()
      const honest = { method: 'POST', body: '{"buy":"one"}' }
      const authorization = await site.pay(await site.send(honest))
      const headers = { authorization }
      for (const body of ['{"buy":"all"}', '', null]) {
        const answer = await site.send({ method: 'POST', headers, body })
        must(answer.status === 402, `the body may be swapped for ${JSON.stringify(body)}`, answer)
      }
      const answer = await site.send({ ...honest, headers })
      must(answer.status < 400, 'the body that was paid for is refused', answer)
      const { got } = JSON.parse(answer.text)
      must(got === honest.body, `the page reads ${JSON.stringify(got)} where the body was sent`)
    },
  },
  {
    id: 'binding/expired',
    requirements: ['core-001', 'charge-012'],
    threats: [1],
    title: 'an expired challenge buys nothing',
    async run({ open, rail }) {
      const site = open({ route: { expires: 1 } })
      const authorization = await site.pay(await site.send())
      await new Promise((resolve) => setTimeout(resolve, 1100))
      const before = await rail.settled()
      const answer = await site.send({ headers: { authorization } })
      must(answer.status === 402, 'an expired challenge opens the page', answer)
      must(answer.wires.length > 0, 'an expired challenge brings no fresh one', answer)
      must(
        ['invalid-challenge', 'payment-expired'].includes(codeOf(answer) ?? ''),
        'an expired challenge gets another problem',
        answer,
      )
      must((await rail.settled()) === before, 'an expired challenge moves money')
    },
  },
  {
    id: 'binding/free-text',
    requirements: ['core-020'],
    title: 'a changed description neither pays nor bars: it is for people alone',
    async run({ open }) {
      const site = open({ route: { description: 'one thing' } })
      const { answer } = await buy(site)
      must(answer.status < 400, 'a route with a description cannot be paid', answer)
    },
  },
]

/** Pays for `GET /paid` and expects the credential to be refused elsewhere, and still good where it belongs. */
async function refused(site: Site, change: Change, where: string): Promise<void> {
  const authorization = await site.pay(await site.send())
  const headers = { authorization }
  const answer: Answer = await site.send({ ...change, headers })
  must(answer.status === 402, `a credential for GET /paid pays for ${where}`, answer)
  must(site.served() === 0, `a credential for GET /paid makes the page of ${where}`)
  const honest = await site.send({ headers })
  must(honest.status < 400, 'a refused detour spoils the credential where it belongs', honest)
}
