/**
 * Wire cases: Accept-Payment.
 *
 * @module
 */
import type { Answer } from '../../answer.js'
import { must, type Case } from '../../case.js'
import type { Wire } from '../../wire.js'

export const negotiation: readonly Case<Wire>[] = [
  {
    id: 'negotiation/absent-means-any',
    requirements: ['core-040'],
    title: 'without Accept-Payment everything is offered, as with */*',
    async run(target) {
      const [plain, any] = [await target.send(), await asking(target, '*/*')]
      must(
        kinds(plain).join() === kinds(any).join(),
        `without the header ${kinds(plain).join(', ')} is offered, with */* ${kinds(any).join(', ')}`,
      )
    },
  },
  {
    id: 'negotiation/malformed-or-unmatched',
    requirements: ['core-005', 'core-038'],
    title: 'a malformed or unmatched Accept-Payment never yields a 402 without a challenge',
    async run(target) {
      for (const value of ['nosuchmethod/charge', '*/*;q=0', 'garbage', 'UPPER/charge', '']) {
        const answer = await asking(target, value)
        must(answer.status < 500, `the server breaks on Accept-Payment "${value}"`, answer)
        must(
          answer.status !== 402 || answer.wires.length > 0,
          `with Accept-Payment "${value}" the 402 has no challenge`,
          answer,
        )
      }
    },
  },
  {
    id: 'negotiation/named-is-offered',
    requirements: ['core-038', 'core-039'],
    title: 'an offer named in Accept-Payment is made',
    async run(target) {
      for (const kind of kinds(await target.send())) {
        const found = kinds(await asking(target, `${kind};q=0.4`))
        must(found.includes(kind), `asked for ${kind}, the server offers ${found.join(', ')}`)
      }
    },
  },
  {
    id: 'negotiation/filter-and-order',
    requirements: ['core-038', 'core-039'],
    threats: [25],
    title: 'with several offers, Accept-Payment filters and orders them',
    async run(target) {
      const all = [...new Set(kinds(await target.send()))]
      const [first, second] = all
      if (!first || !second) return
      const turned = kinds(await asking(target, `${first};q=0.2, ${second};q=0.9`))
      must(turned[0] === second, `${second} is preferred but ${turned[0]} comes first`)
      const without = kinds(await asking(target, `*/*, ${first};q=0`))
      must(!without.includes(first), `${first} is refused with q=0 and offered all the same`)
      const named = kinds(await asking(target, `*/*;q=0.1, ${second}`))
      must(named[0] === second, `the wildcard outweighs the named range ${second}`)
    },
  },
]

const asking = (target: Wire, value: string) =>
  target.send({ headers: { 'accept-payment': value } })

/** `method/intent` of each challenge, in order. */
const kinds = (answer: Answer): string[] =>
  answer.wires.map(({ method, intent }) => `${method}/${intent}`)
