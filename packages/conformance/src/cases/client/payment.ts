/**
 * Client cases: one honest payment, and what it must leave as it is.
 *
 * @module
 */
import { must, type Case } from '../../case.js'
import {
  asking,
  challenge,
  offer,
  page,
  sell,
  URL_PAID,
  type ClientBench,
  type Purse,
} from '../../purse.js'

export const payment: readonly Case<ClientBench>[] = [
  {
    id: 'client/pays-once',
    requirements: ['core-010', 'core-022', 'core-081'],
    title: 'a client pays a 402 once, echoing the challenge as it came, and brings the page',
    async run({ open }) {
      const extra = challenge({ 'x-extra': 'kept or dropped', description: 'one page' })
      const purse = open({ answer: ({ credential }) => (credential ? page() : offer([extra])) })
      const response = await purse.fetch()
      must(
        (await response.text()) === 'page',
        'the client does not bring the page that it paid for',
      )
      must(purse.paid.length === 1, `the client paid ${purse.paid.length} times for one page`)
      must(purse.visits.length === 2, `the client asked ${purse.visits.length} times`)
      const echoed = purse.visits[1]?.credential?.challenge
      for (const name of ['id', 'realm', 'method', 'intent', 'request', 'expires', 'opaque'])
        must(
          extra.includes(`${name}="${echoed?.[name]}"`),
          `the credential changes "${name}" of the challenge`,
        )
    },
  },
  {
    id: 'client/hostile-loop',
    requirements: ['core-074'],
    threats: [12],
    title: 'a server that answers every payment with another 402 is paid once a fetch',
    async run({ open }) {
      let price = 1
      const answer = () =>
        offer([challenge({ request: asking({ amount: String((price *= 10)) }) })])
      const purse = open({ answer, policy: { max: '1000000' } })
      const response = await purse.fetch()
      must(response.status === 402, 'the client hides that the server wants more')
      must(purse.paid.length === 1, `one fetch paid ${purse.paid.length} times`)
      must(purse.visits.length === 2, `one fetch asked ${purse.visits.length} times`)
    },
  },
  {
    id: 'client/same-request-again',
    requirements: ['core-017'],
    threats: [14],
    title:
      'the paid request is the first one again: method, headers and body, whatever holds the body',
    async run({ open }) {
      const body = '{"order":1}'
      const bytes = new TextEncoder().encode(body)
      const held: Readonly<Record<string, () => BodyInit>> = {
        text: () => body,
        bytes: () => bytes,
        'a blob': () => new Blob([body]),
        'a stream': () => new Blob([body]).stream(),
      }
      for (const [kind, hold] of Object.entries(held)) {
        const purse = open()
        const init = { method: 'POST', headers: { 'x-own': '1' }, body: hold(), duplex: 'half' }
        await purse.fetch(URL_PAID, init)
        again(purse, kind, body)
      }
      const purse = open()
      await purse.fetch(new Request(URL_PAID, { method: 'POST', headers: { 'x-own': '1' }, body }))
      again(purse, 'a Request', body)
    },
  },
  {
    id: 'client/unknown-outcome',
    requirements: ['core-044', 'core-071'],
    threats: [9],
    title:
      'after a 503 or a 409 with Retry-After the client presents the same credential, never a second payment',
    async run({ open }) {
      for (const status of [503, 409]) {
        const wait = () => new Response(null, { status, headers: { 'retry-after': '0' } })
        const purse = open({
          answer: (visit, index) => (visit.credential && index < 2 ? wait() : sell(visit)),
        })
        const response = await purse.fetch()
        must(
          response.status === 200,
          `after a ${status} the client gives up what it may have paid for`,
        )
        must(
          purse.paid.length === 1,
          `after a ${status} the client paid ${purse.paid.length} times`,
        )
        const shown = purse.visits.map(({ headers }) => headers.get('authorization'))
        must(shown[1] === shown[2], `after a ${status} the client presents another credential`)
      }
    },
  },
  {
    id: 'client/lost-connection',
    requirements: ['core-071'],
    threats: [9, 10],
    title:
      'when the connection drops after the credential was sent, the same credential goes again',
    async run({ open }) {
      const purse = open({
        answer(visit, index) {
          if (visit.credential && index < 2) throw new TypeError('fetch failed')
          return sell(visit)
        },
      })
      const response = await purse.fetch()
      must(response.status === 200, 'a dropped connection costs the payer the page')
      must(
        purse.paid.length === 1,
        `a dropped connection makes the client pay ${purse.paid.length} times`,
      )
    },
  },
  {
    id: 'client/declares-what-it-can-pay',
    requirements: ['core-038'],
    threats: [25],
    title: 'the client says in Accept-Payment what it can pay',
    async run({ open }) {
      const purse = open()
      await purse.fetch()
      const header = purse.visits[0]?.headers.get('accept-payment')
      must(header?.includes('coins/charge'), `Accept-Payment is ${header}`)
    },
  },
  {
    id: 'client/other-answers',
    requirements: ['core-004'],
    title: 'a 200, a 401 with a Payment challenge, or a 403 is nothing to pay for',
    async run({ open }) {
      for (const status of [200, 401, 403, 500]) {
        const purse = open({ answer: () => offer([challenge()], { status }) })
        const response = await purse.fetch()
        must(response.status === status, `a ${status} is answered by a payment`)
        must(purse.paid.length === 0, `the client pays for a ${status}`)
      }
    },
  },
  {
    id: 'client/does-not-tell-the-next-server',
    requirements: ['core-057', 'core-060'],
    threats: [15, 16],
    title: 'a credential never follows a redirect, to another origin or to plain http',
    async run({ open }) {
      for (const location of [
        'https://evil.example/',
        'http://shop.example/paid',
        'https://shop.example:8443/',
      ]) {
        const purse = open({
          answer: ({ url, credential }) => {
            if (url.href !== URL_PAID) return new Response('elsewhere')
            return credential ? Response.redirect(location, 307) : offer([challenge()])
          },
        })
        await purse.fetch().catch(() => undefined)
        const told = purse.visits.filter(({ url }) => url.href !== URL_PAID)
        must(
          told.every(({ headers }) => !/payment/i.test(headers.get('authorization') ?? '')),
          `the credential follows a redirect to ${location}`,
        )
      }
    },
  },
  {
    id: 'client/redirected-402',
    requirements: ['core-074'],
    threats: [13, 15],
    title: 'a 402 that comes from another origin than the one asked is not paid',
    async run({ open }) {
      const purse = open({
        answer: ({ url }) =>
          url.host === 'evil.example'
            ? offer([challenge({ realm: 'evil.example' })])
            : Response.redirect('https://evil.example/paid', 302),
      })
      await purse.fetch().catch(() => undefined)
      must(purse.paid.length === 0, 'who redirects a request chooses who is paid')
    },
  },
]

function again({ visits }: Purse, kind: string, body: string): void {
  const [first, second] = visits
  must(first && second, `a request whose body is ${kind} is not paid`)
  must(
    second.method === first.method,
    `the paid request is a ${second.method}, not a ${first.method}`,
  )
  must(
    second.body === body,
    `with ${kind}, the paid request carries ${JSON.stringify(second.body)}`,
  )
  must(second.headers.get('x-own') === '1', `with ${kind}, the paid request loses its headers`)
}
