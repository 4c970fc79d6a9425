/**
 * Method cases: what the operator of a server says is heeded: policy, rate limits, free methods, secrets, other rails.
 *
 * @module
 */
import { Challenge, Method } from '@polyrail/core'
import { present, show, type Bench } from '../../bench.js'
import { buy } from '../../buy.js'
import { must, type Case } from '../../case.js'

export const operator: readonly Case<Bench>[] = [
  {
    id: 'operator/policy-denies',
    requirements: ['core-001', 'core-004'],
    title: 'who policy denies gets a 403 without a challenge, before any money moves',
    async run({ open, rail }) {
      const site = open({ config: { policy: () => false } })
      const authorization = await site.pay(await site.send())
      const before = await rail.settled()
      const answer = await site.send({ headers: { authorization } })
      must(answer.status === 403, 'a denied payer does not get a 403', answer)
      must(answer.wires.length === 0, 'a denied payer is asked to pay again', answer)
      must((await rail.settled()) === before, 'a denied payer’s money is taken')
      must(site.served() === 0, 'a denied payer gets the page')
    },
  },
  {
    id: 'operator/rate-limit',
    requirements: ['core-044', 'core-086'],
    threats: [27],
    title: 'who comes too often is told when to come again, before anything is issued or judged',
    async run({ open, rail }) {
      const site = open({ config: { limit: () => 7 } })
      const [unpaid, paid] = [
        await site.send(),
        await site.send({ headers: { authorization: 'Payment e30' } }),
      ]
      for (const answer of [unpaid, paid]) {
        must(answer.status === 429, 'the rate limit is not heeded', answer)
        must(
          answer.headers.get('retry-after') === '7',
          'the answer does not say when to retry',
          answer,
        )
        must(
          answer.wires.length === 0,
          `a challenge of ${rail.server.name} is issued all the same`,
          answer,
        )
      }
    },
  },
  {
    id: 'operator/free-methods',
    requirements: ['core-003'],
    threats: [6],
    title: 'only the HTTP methods that are named free are free',
    async run({ open }) {
      const site = open({ config: { free: ['OPTIONS'] } })
      const options = await site.send({ method: 'OPTIONS' })
      must(options.status < 400, 'a method named free is charged', options)
      for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
        const answer = await site.send({ method })
        must(answer.status === 402, `${method} is free though it is not named`, answer)
      }
      const strict = await open().send({ method: 'OPTIONS' })
      must(strict.status === 402, 'OPTIONS is free though nothing is', strict)
    },
  },
  {
    id: 'operator/short-secret',
    requirements: ['core-062'],
    threats: [29],
    title: 'a secret below 32 bytes is refused when the server starts, and not repeated',
    async run({ open }) {
      for (const secretKey of ['too-short', '', 'x'.repeat(31)]) {
        const failure = thrownBy(() => open({ config: { secretKey } }))
        must(failure !== undefined, `a secret of ${secretKey.length} bytes is taken`)
        must(secretKey === '' || !failure.includes(secretKey), 'the refusal repeats the secret')
      }
    },
  },
  {
    id: 'operator/rotated-secret',
    requirements: ['core-064'],
    threats: [29],
    title:
      'after a rotation, challenges of the old secret are still good and new ones bear the new one',
    async run({ open }) {
      const [old, next] = [
        'the-old-secret-of-32-bytes-or-more',
        'the-new-secret-of-32-bytes-or-more',
      ]
      const before = open({ config: { secretKey: old } })
      const after = open({ config: { secretKey: [next, old] } })
      const last = open({ config: { secretKey: next } })
      const authorization = await before.pay(await before.send())
      const answer = await after.send({ headers: { authorization } })
      must(answer.status < 400, 'a rotation strands who was about to pay', answer)
      const fresh = await after.pay(await after.send())
      const signed = await last.send({ headers: { authorization: fresh } })
      must(signed.status < 400, 'after a rotation challenges still bear the old secret', signed)
    },
  },
  {
    id: 'operator/rail-down',
    requirements: ['core-005'],
    threats: [31],
    title: 'a rail that is down drops out of the offer; the others are offered and can be paid',
    async run({ open, rail }) {
      const site = open({ others: [[brokenRail(), { amount: '1', currency: 'x' }]] })
      const answer = await site.send()
      must(answer.status === 402, 'one rail that is down takes the route with it', answer)
      const offered = answer.wires.map(({ method }) => method)
      must(offered.join() === rail.server.name, `the offer holds ${offered.join(', ')}`)
      await buy(site)
    },
  },
  {
    id: 'operator/several-rails',
    requirements: ['core-038', 'core-039', 'core-040'],
    threats: [25],
    title: 'several rails are offered in one 402, filtered and ordered by Accept-Payment',
    async run({ open, rail }) {
      const site = open({ others: [[plainRail(), { amount: '1', currency: 'x' }]] })
      const mine = `${rail.server.name}/${rail.server.intent}`
      const asking = async (accept?: string) => {
        const headers: Record<string, string> =
          accept === undefined ? {} : { 'accept-payment': accept }
        const { wires } = await site.send({ headers })
        return wires.map(({ method, intent }) => `${method}/${intent}`).join()
      }
      const expected: Readonly<Record<string, string>> = {
        '*/*': `${mine},plain/charge`,
        'plain/charge': 'plain/charge',
        [`${mine};q=0.1, plain/*`]: `plain/charge,${mine}`,
        [`*/*, ${mine};q=0`]: 'plain/charge',
        [`plain/charge;q=0, */*;q=0.1`]: mine,
      }
      must((await asking()) === `${mine},plain/charge`, 'not every rail is offered')
      for (const [accept, offers] of Object.entries(expected)) {
        const found = await asking(accept)
        must(
          found === offers,
          `with Accept-Payment "${accept}" the offer is ${found}, not ${offers}`,
        )
      }
      await buy(site)
    },
  },
  {
    id: 'operator/store-down',
    requirements: ['core-044', 'core-071'],
    threats: [2],
    title: 'while the store is down nothing is settled and nothing is sold',
    async run({ open, rail }) {
      const down = () => Promise.reject(new Error('the store is down'))
      const store = { name: 'down', get: down, set: down, delete: down, update: down, claim: down }
      const site = open({ config: { store } })
      const authorization = await site.pay(await site.send())
      const before = await rail.settled()
      const answer = await site.send({ headers: { authorization } })
      must(answer.status === 503, 'without a store the answer is not a 503', answer)
      must(answer.wires.length === 0, 'without a store a fresh challenge is offered', answer)
      must((await rail.settled()) === before, 'money moves though nothing can be recorded')
      must(site.served() === 0, 'the page is sold though nothing can be recorded')
    },
  },
  {
    id: 'operator/secrets-stay-secret',
    requirements: ['core-059', 'core-060', 'core-061', 'core-063', 'core-078', 'core-079'],
    threats: [16],
    title: 'neither the credential nor the secret appears in events, errors or the store',
    async run({ open }) {
      const secretKey = 'a-secret-that-nobody-must-ever-get-to-see'
      const site = open({ config: { secretKey } })
      const { authorization } = await buy(site)
      await site.send({ headers: { authorization } })
      const bad = await site.send({ headers: { authorization: `${authorization}x` } })
      const credential = authorization.slice('Payment '.length)
      for (const [where, text] of [
        ['an event', site.events.join()],
        ['the store', show(site.writes)],
        ['an error', bad.text],
      ] as const) {
        must(!text.includes(credential), `the credential appears in ${where}`)
        must(!text.includes(secretKey), `the secret appears in ${where}`)
      }
    },
  },
  {
    id: 'operator/plain-http',
    requirements: ['core-055', 'core-056', 'core-058', 'charge-020'],
    threats: [13],
    title: 'over plain http nothing is offered and nothing is taken, but on loopback',
    async run({ open, rail }) {
      const secure = open()
      const authorization = await secure.pay(await secure.send())
      const before = await rail.settled()
      const site = open({ origin: 'http://shop.example' })
      for (const headers of [{}, { authorization }]) {
        const answer = await site.send({ headers })
        must(answer.status >= 400, 'the page is served over plain http', answer)
        must(answer.wires.length === 0, 'a challenge is issued over plain http', answer)
      }
      must((await rail.settled()) === before, 'a credential is taken over plain http')
      const near = await open({ origin: 'http://localhost:3000' }).send()
      must(near.status === 402, 'nothing can be sold on loopback, where one develops', near)
    },
  },
  {
    id: 'operator/tells-of-the-challenge',
    requirements: ['core-042'],
    title: 'the problem of a 402 names the challenge that it comes with, and no other',
    async run({ open }) {
      const answer = await open().send()
      const named = answer.problem?.['challengeId']
      must(
        named === undefined || answer.wires.some(({ id }) => id === named),
        'the problem names a challenge that is not offered',
        answer,
      )
      const header = answer.headers.get('www-authenticate') ?? ''
      must(Challenge.scan(header).length === 1, 'the header holds another number of challenges')
    },
  },
  {
    id: 'operator/exposes-headers',
    requirements: ['core-081'],
    title: 'a browser on another origin can read the challenge and the receipt',
    async run({ open }) {
      const site = open()
      const first = await site.send()
      const authorization = present(await site.prove(first))
      const paid = await site.send({ headers: { authorization } })
      for (const [answer, name] of [
        [first, 'www-authenticate'],
        [paid, 'payment-receipt'],
      ] as const) {
        const exposed = (answer.headers.get('access-control-expose-headers') ?? '').toLowerCase()
        must(exposed.includes(name), `a browser page on another origin cannot read ${name}`, answer)
      }
    },
  },
]

const anything = <shape>(): Method.Schema<shape> => ({
  '~standard': {
    version: 1,
    vendor: 'polyrail',
    validate: (value) => ({ value: value as shape }),
  },
})

/** A rail that can be offered and never paid. */
function plainRail(name = 'plain') {
  const request = anything<{ amount: string; currency: string }>()
  const schema = { request, credential: { payload: anything<object>() } }
  return Method.toServer(Method.from({ name, intent: 'charge', schema }), {
    verify() {
      throw new Error('nobody can pay this way')
    },
  })
}

/** A rail whose network cannot be reached when an offer is made. */
function brokenRail(): Method.Server {
  const create = () => Promise.reject(new Error('the network is down'))
  return { ...plainRail('broken'), issued: { fields: ['invoice'], create } }
}

function thrownBy(act: () => unknown): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return String(error)
  }
}
