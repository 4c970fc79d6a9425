/**
 * Wire cases: what a challenge must look like to any client.
 *
 * @module
 */
import { Expires, PaymentRequest, type Challenge } from '@polyrail/core'
import type { Answer } from '../../answer.js'
import { must, type Case } from '../../case.js'
import type { Wire } from '../../wire.js'

export const challenge: readonly Case<Wire>[] = [
  {
    id: 'challenge/unpaid-gets-402',
    requirements: ['core-001', 'core-002', 'core-003', 'core-005', 'core-076'],
    threats: [6],
    title: 'a request without a credential gets a 402 with a readable Payment challenge',
    async run(target) {
      const answer = await target.send()
      must(answer.status === 402, 'the priced request is not answered by a 402', answer)
      must(answer.wires.length > 0, 'the 402 carries no Payment challenge', answer)
      must(answer.challenges.length > 0, "no challenge's request decodes to a JSON object", answer)
    },
  },
  {
    id: 'challenge/has-what-is-required',
    requirements: ['core-007', 'core-008', 'core-011', 'core-012', 'core-036'],
    title: 'every challenge has id, realm, method, intent and request',
    async run(target) {
      for (const wire of await offered(target)) {
        must(wire.id !== '', 'a challenge has an empty id, so no credential can name it')
        must(wire.realm !== '', 'a challenge has no realm, so the payer cannot tell what it is for')
        must(/^[a-z]+$/.test(wire.method), `method "${wire.method}" is not lower-case letters`)
        must(/^[A-Za-z0-9-]+$/.test(wire.intent), `intent "${wire.intent}" is not an intent token`)
      }
    },
  },
  {
    id: 'challenge/request-is-canonical',
    requirements: ['core-014', 'core-015', 'charge-002'],
    title: 'request is canonical JSON in base64url without padding',
    async run(target) {
      for (const wire of await offered(target)) canonical('request', wire.request)
    },
  },
  {
    id: 'challenge/opaque-is-flat',
    requirements: ['core-021', 'core-023'],
    title: 'opaque, when there, is a canonical flat map of strings',
    async run(target) {
      for (const wire of await offered(target)) {
        if (wire.opaque === undefined) continue
        const flat = Object.values(canonical('opaque', wire.opaque))
        must(
          flat.every((value) => typeof value === 'string'),
          'opaque holds something else than strings, so a client cannot read it',
        )
      }
    },
  },
  {
    id: 'challenge/expires-soon',
    requirements: ['core-018'],
    threats: [13],
    title: 'every challenge says when it expires, within a day from now',
    async run(target) {
      for (const wire of await offered(target)) {
        const at = wire.expires === undefined ? undefined : Expires.parse(wire.expires)
        must(at !== undefined, `expires "${wire.expires}" is not an RFC 3339 time`)
        must(at > Date.now() - 60_000, 'a fresh challenge has expired already')
        must(at < Date.now() + 86_400_000, 'a challenge lives for more than a day')
      }
    },
  },
  {
    id: 'challenge/request-has-no-expiry',
    requirements: ['charge-005'],
    title: 'the request of a charge does not repeat the expiry',
    async run(target) {
      for (const charge of await charges(target))
        must(!('expires' in charge.request), 'the request holds `expires`: two expiries may differ')
    },
  },
  {
    id: 'challenge/charge-fields',
    requirements: ['charge-003', 'charge-008'],
    threats: [23],
    title: 'a charge asks a whole number of base units, as text, in a named currency',
    async run(target) {
      for (const { request } of await charges(target)) {
        const amount = request['amount']
        must(
          typeof amount === 'string' && /^(0|[1-9]\d*)$/.test(amount),
          `amount ${JSON.stringify(amount)} is not a whole number as text, so readers may disagree about the price`,
        )
        must(
          typeof request['currency'] === 'string' && request['currency'] !== '',
          'a charge names no currency',
        )
      }
    },
  },
  {
    id: 'challenge/ids-are-unique',
    requirements: ['core-082'],
    threats: [33],
    title: 'no two visitors get the same challenge id',
    async run(target) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => target.send()))
      const ids = answers.flatMap((answer) => answer.wires.map((wire) => wire.id))
      must(
        new Set(ids).size === ids.length,
        "a challenge id is issued twice: one visitor's payment bars the other's",
      )
    },
  },
  {
    id: 'challenge/parameter-names',
    requirements: ['core-047'],
    title: 'parameter names are lower-case',
    async run(target) {
      const header = (await target.send()).headers.get('www-authenticate') ?? ''
      const names = [...header.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').matchAll(/([\w-]+)\s*=/g)]
      for (const [, name = ''] of names)
        must(name === name.toLowerCase(), `parameter "${name}" has capitals`)
    },
  },
  {
    id: 'challenge/fits-in-8-kB',
    requirements: ['core-049'],
    threats: [25],
    title: 'a challenge is below 8 kB',
    async run(target) {
      const answer = await target.send()
      const size = (answer.headers.get('www-authenticate') ?? '').length
      const each = Math.ceil(size / Math.max(1, answer.wires.length))
      must(each < 8192, `a challenge takes ${each} bytes: proxies will drop it`)
    },
  },
  {
    id: 'challenge/realm-is-ascii',
    requirements: ['core-052'],
    title: 'the realm is printable ASCII',
    async run(target) {
      for (const { realm } of await offered(target))
        must(/^[\x20-\x7e]*$/.test(realm), `realm "${realm}" is not printable ASCII`)
    },
  },
  {
    id: 'challenge/over-tls',
    requirements: ['core-055', 'core-056', 'charge-020'],
    threats: [13],
    title: 'challenges are issued over TLS, but for loopback',
    async run(target) {
      const { protocol, hostname } = new URL(target.url)
      const here = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
      must(
        protocol === 'https:' || here || (await target.send()).status !== 402,
        'a challenge is issued over plain http: anyone on the way can swap the recipient',
      )
    },
  },
  {
    id: 'challenge/digest-of-body',
    requirements: ['core-016', 'core-029'],
    threats: [5],
    title: 'a request with a body gets a challenge bound to its digest',
    needs: ['body'],
    async run(target) {
      const first = await offered(target)
      const [second] = (await target.send({ body: `${target.body} ` })).wires
      for (const wire of first) {
        must(wire.digest !== undefined, 'the challenge is not bound to the body it was asked for')
        must(wire.digest !== second?.digest, 'two different bodies get the same digest')
      }
    },
  },
]

/** The challenges of a fresh 402, of which there must be one. */
async function offered(target: Wire): Promise<readonly Challenge.Wire[]> {
  const answer = await target.send()
  must(answer.wires.length > 0, 'there is no Payment challenge to look at', answer)
  return answer.wires
}

async function charges(target: Wire): Promise<Answer['challenges']> {
  const { challenges } = await target.send()
  return challenges.filter(({ intent }) => intent === 'charge')
}

function canonical(name: string, encoded: string): Record<string, unknown> {
  must(!encoded.includes('='), `${name} has padding characters`)
  const decoded = PaymentRequest.deserialize(encoded)
  must(decoded !== undefined, `${name} is not base64url of a JSON object`)
  must(
    PaymentRequest.serialize(decoded) === encoded,
    `${name} is not canonical JSON: another implementation computes another challenge id`,
  )
  return decoded
}
