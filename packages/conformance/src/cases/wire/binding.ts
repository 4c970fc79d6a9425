/**
 * Wire cases: a challenge that the server did not issue as it stands buys nothing.
 *
 * @module
 */
import { Credential, PaymentRequest, type Challenge } from '@polyrail/core'
import { must, type Case } from '../../case.js'
import { buy } from '../../buy.js'
import type { Wire } from '../../wire.js'

type Forgery = (wire: Challenge.Wire) => Partial<Challenge.Wire>

/** What is forged → how, with everything else left as issued. */
const FORGERIES: Readonly<Record<string, Forgery>> = {
  'the id': () => ({ id: 'Zm9yZ2VkLWlkLWZvcmdlZC1pZC1mb3JnZWQtaWQtZm9yZ2U' }),
  'the realm': () => ({ realm: 'elsewhere.example' }),
  'the amount': ({ request }) => ({
    request: PaymentRequest.serialize({ ...PaymentRequest.deserialize(request), amount: '0' }),
  }),
  'the recipient': ({ request }) => ({
    request: PaymentRequest.serialize({ ...PaymentRequest.deserialize(request), recipient: 'me' }),
  }),
  'the expiry': () => ({ expires: '9999-01-01T00:00:00Z' }),
  'the digest': () => ({ digest: 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:' }),
  opaque: () => ({ opaque: PaymentRequest.serialize({ order: 'mine' }) }),
}

export const binding: readonly Case<Wire>[] = [
  {
    id: 'binding/forged-challenge',
    requirements: ['core-009', 'core-024', 'core-026', 'core-027', 'charge-012'],
    threats: [4],
    title:
      'a credential whose challenge was changed in any field is refused with a fresh challenge',
    async run(target) {
      const [issued] = (await target.send()).wires
      must(issued, 'there is no challenge to forge')
      for (const [title, forge] of Object.entries(FORGERIES)) {
        const challenge = { ...issued, ...forge(issued) }
        const authorization = Credential.serialize({ challenge, payload: {} })
        const answer = await target.send({ headers: { authorization } })
        must(answer.status === 402, `forging ${title} is not answered by a 402`, answer)
        must(answer.wires.length > 0, `after forging ${title} there is no fresh challenge`, answer)
        must(
          answer.wires.every(({ id }) => id !== challenge.id),
          `after forging ${title} the forged challenge is offered again`,
        )
      }
    },
  },
  {
    id: 'binding/forged-after-payment',
    requirements: ['core-009', 'core-024', 'core-026', 'core-027'],
    threats: [4],
    title: 'an honest proof does not carry a forged challenge',
    needs: ['pay'],
    async run(target) {
      const authorization = await target.pay(await target.send())
      const honest = Credential.deserialize(authorization)
      must(honest, 'the way to pay gives no readable credential')
      for (const [title, forge] of Object.entries(FORGERIES)) {
        const challenge = { ...honest.challenge, ...forge(honest.challenge) }
        const forged = Credential.serialize({ ...honest, challenge })
        const answer = await target.send({ headers: { authorization: forged } })
        must(answer.status >= 400, `a paid credential with ${title} forged opens the page`, answer)
      }
      const answer = await target.send({ headers: { authorization } })
      must(answer.status < 400, 'refused forgeries bar the honest credential', answer)
    },
  },
  {
    id: 'binding/other-url',
    requirements: ['core-009', 'core-011'],
    threats: [1],
    title: 'a paid credential does not open another route',
    needs: ['pay', 'other'],
    async run(target) {
      const authorization = await target.pay(await target.send())
      const url = target.other ?? target.url
      const answer = await target.send({ url, headers: { authorization } })
      must(answer.status === 402, 'a credential for one route opens another', answer)
    },
  },
  {
    id: 'binding/swapped-body',
    requirements: ['core-017', 'core-030'],
    threats: [5],
    title: 'a paid credential does not carry another body',
    needs: ['pay', 'body'],
    async run(target) {
      const authorization = await target.pay(await target.send())
      const headers = { authorization }
      const swapped = await target.send({ headers, body: `${target.body} ` })
      must(swapped.status === 402, 'the body may be swapped after payment', swapped)
      const dropped = await target.send({ headers, body: null })
      must(dropped.status >= 400, 'the body may be dropped after payment', dropped)
      const honest = await target.send({ headers })
      must(honest.status < 400, 'the body that was paid for is refused', honest)
    },
  },
  {
    id: 'binding/unknown-fields',
    requirements: ['core-046'],
    title: 'fields that nobody knows are ignored in a credential',
    needs: ['pay'],
    async run(target) {
      const honest = Credential.deserialize(await target.pay(await target.send()))
      must(honest, 'the way to pay gives no readable credential')
      const more = { ...honest, version: 2, hint: { any: 'thing' } }
      const authorization = `Payment ${PaymentRequest.serialize(more)}`
      const answer = await target.send({ headers: { authorization } })
      must(answer.status < 400, 'an unknown field makes a credential unreadable', answer)
    },
  },
  {
    id: 'binding/scheme-in-any-case',
    requirements: ['core-002'],
    title: 'an honest payment opens the page, however its scheme is capitalised',
    needs: ['pay'],
    async run(target) {
      await buy(target)
      for (const scheme of ['payment', 'PAYMENT']) {
        const authorization = (await target.pay(await target.send())).replace('Payment', scheme)
        const answer = await target.send({ headers: { authorization } })
        must(answer.status < 400, `a credential of the scheme "${scheme}" is refused`, answer)
      }
    },
  },
]
