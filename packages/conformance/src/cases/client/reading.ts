/**
 * Client cases: reading what servers really send.
 *
 * @module
 */
import { must, type Case } from '../../case.js'
import { challenge, offer, page, type ClientBench } from '../../purse.js'

/** What a header holds beside one good offer → the header. */
const HEADERS: Readonly<Record<string, () => readonly string[]>> = {
  'a broken challenge before it': () => ['Payment id="x', challenge()],
  'a challenge without id before it': () => [challenge({ id: undefined }), challenge()],
  'a challenge whose request is no JSON': () => [challenge({ request: '!!!' }), challenge()],
  'the same parameter twice in another challenge': () => [
    challenge().replace('realm=', 'id="twice", realm='),
    challenge(),
  ],
  'other schemes around it': () => ['Basic realm="x", charset="UTF-8"', challenge(), 'Bearer'],
  'all in one header': () => [`Bearer realm="x", ${challenge({ method: 'gold' })}, ${challenge()}`],
  'parameters that nobody knows': () => [
    challenge({ 'x-new': 'a, b="c', version: '9' }).replace('b="c', 'b=c'),
  ],
  'its scheme and names in capitals': () => [challenge().replace('Payment id', 'PAYMENT ID')],
  'spaces around the equals signs': () => [challenge().replaceAll('="', ' = "')],
  'escapes in a quoted string': () => [challenge({ description: String.raw`say \"yes\" \\ no` })],
  'empty list elements': () => [`, ,${challenge()}, ,`],
}

export const reading: readonly Case<ClientBench>[] = [
  {
    id: 'client/finds-the-good-offer',
    requirements: ['core-025', 'core-046', 'core-048', 'core-081'],
    threats: [8],
    title: 'one good offer is found and paid, whatever else the header holds',
    async run({ open }) {
      for (const [title, header] of Object.entries(HEADERS)) {
        const purse = open({ answer: ({ credential }) => (credential ? page() : offer(header())) })
        const response = await purse.fetch()
        must(purse.paid.length === 1, `with ${title}, ${purse.paid.length} offers are paid`)
        must(response.status === 200, `with ${title}, the page does not come`)
        const { visits } = purse
        const sent = (visits[1]?.headers.get('authorization') ?? '').match(/Payment /gi) ?? []
        must(sent.length === 1, `with ${title}, ${sent.length} credentials are sent`)
      }
    },
  },
  {
    id: 'client/large-challenge',
    requirements: ['core-050'],
    threats: [25],
    title: 'a challenge of 4 kB and more is read and paid',
    async run({ open }) {
      for (const size of [4096, 8000]) {
        const big = challenge({ description: 'x'.repeat(size) })
        const purse = open({ answer: ({ credential }) => (credential ? page() : offer([big])) })
        await purse.fetch()
        must(purse.paid.length === 1, `a challenge of ${big.length} bytes is not read`)
      }
    },
  },
  {
    id: 'client/no-challenge',
    requirements: ['core-041'],
    title: 'a 402 without a readable challenge comes back as it is',
    async run({ open }) {
      for (const header of [[], ['Basic realm="x"'], ['Payment'], ['Payment ='], ['Payment id=']]) {
        const purse = open({ answer: () => offer(header) })
        const response = await purse.fetch()
        must(response.status === 402, `the header ${header.join()} changes the answer`)
        must(purse.paid.length === 0, `the header ${header.join()} is paid`)
      }
    },
  },
  {
    id: 'client/own-authorization',
    requirements: [],
    title: 'credentials of another scheme travel beside the payment',
    async run({ open }) {
      const purse = open()
      await purse.fetch(undefined, { headers: { authorization: 'Bearer mine' } })
      const sent = purse.visits.map(({ headers }) => headers.get('authorization') ?? '')
      must(sent[0] === 'Bearer mine', 'the caller’s own credential is not sent')
      must(
        sent[1]?.includes('Bearer mine') && sent[1].includes('Payment '),
        'paying drops the caller’s own credential',
      )
    },
  },
]
