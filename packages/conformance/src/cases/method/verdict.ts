/**
 * Method cases: a server reads whatever a rail’s hooks say, or fail to say, so that nobody gets a page for nothing and
 * nobody who has paid goes without.
 *
 * @module
 */
import { Outcome, type Method } from '@polyrail/core'
import type { Bench, Site } from '../../bench.js'
import { must, type Case } from '../../case.js'

export const verdict: readonly Case<Bench>[] = [
  {
    id: 'verdict/no-in-any-words',
    requirements: ['core-002', 'core-035', 'charge-012'],
    threats: [21, 22],
    title: 'a rail that does not say yes opens nothing, whatever words it has for no',
    async run(bench) {
      const noes: readonly [string, unknown][] = [
        ['false', false],
        ['null', null],
        ['rejected, without a problem', { status: 'rejected' }],
        ['unsettled', Outcome.unsettled()],
        ['indeterminate', Outcome.indeterminate()],
      ]
      for (const [words, no] of noes) {
        const answer = await refused(bench, { validate: () => no }, `validate says ${words}, and`)
        const isUnknown = words === 'unsettled' || words === 'indeterminate'
        const status = isUnknown ? 503 : 402
        must(answer.status === status, `validate says ${words}, which is no ${status}`, answer)
      }
    },
  },
  {
    id: 'verdict/no-such-status',
    requirements: ['core-033', 'core-035'],
    threats: [9, 11],
    title: 'a settlement of a status that nobody knows is none, though it has a reference',
    async run(bench) {
      for (const status of ['failed', 'pending', 'requires_action']) {
        const settle = () => ({ status, reference: 'reference' })
        const answer = await refused(bench, { settle }, `settle says ${status}, and`)
        must(answer.status === 503, `settle says ${status}, which is known to be final`, answer)
        must(answer.wires.length === 0, `settle says ${status}, and a fresh 402 asks again`, answer)
      }
    },
  },
  {
    id: 'verdict/nameless-proof',
    requirements: ['core-065', 'core-066'],
    threats: [3],
    title: 'a proof that its rail cannot name buys nothing, for it would buy without end',
    async run(bench) {
      for (const [words, name] of [
        ['no name', undefined],
        ['an empty name', ''],
        ['a name without a life', { key: 'name', ttl: Number.NaN }],
      ] as const) {
        const before = `replayKey gives ${words}, and`
        const answer = await refused(bench, { replayKey: () => name }, before)
        must(answer.status === 503, `${before} the payer is blamed for it`, answer)
      }
    },
  },
  {
    id: 'verdict/odd-receipt',
    requirements: ['core-032', 'core-033'],
    threats: [9, 10],
    title: 'what cannot stand in a receipt keeps nobody from the page that is paid for',
    async run({ open, rail }) {
      const circular: Record<string, unknown> = {}
      circular['self'] = circular
      const odds: readonly object[] = [
        { receipt: circular },
        { receipt: { units: 1n } },
        { timestamp: 1 },
      ]
      for (const odd of odds) {
        const settle: Method.Server['settle'] = async (presented) => ({
          ...(await rail.server.settle(presented)),
          ...odd,
        })
        const site = openWith({ open, rail }, { settle })
        await bought(site, `a settlement with an odd ${Object.keys(odd).join()}`)
      }
    },
  },
  {
    id: 'verdict/last-look',
    requirements: ['core-032'],
    threats: [10],
    title: 'a rail that fails at its last look at the page keeps nobody from it',
    async run(bench) {
      const failures: readonly (() => unknown)[] = [
        () => Promise.resolve('later'),
        () => Promise.reject(new Error('the last look failed')),
        () => {
          throw new Error('the last look failed')
        },
      ]
      for (const onRespond of failures) await bought(openWith(bench, { onRespond }), 'a last look')
    },
  },
]

/** Opens a shop whose rail has other hooks, of whatever types: authors without a compiler write them too. */
function openWith({ open, rail }: Pick<Bench, 'open' | 'rail'>, hooks: object): Site {
  return open({ config: { methods: [{ ...rail.server, ...hooks }] } })
}

/** Presents an honest proof to a rail with such hooks, and expects that it neither buys nor moves anything. */
async function refused(bench: Bench, hooks: object, before: string) {
  const site = openWith(bench, hooks)
  const authorization = await site.pay(await site.send())
  const moved = await site.settled()
  const answer = await site.send({ headers: { authorization } })
  must(answer.status >= 400, `${before} the page is opened`, answer)
  must(!answer.headers.has('payment-receipt'), `${before} there is a receipt`, answer)
  must(site.served() === 0, `${before} the page is made`)
  must((await site.settled()) === moved, `${before} money moves`)
  return answer
}

/** Buys, and asks again: two pages that are one, one payment. */
async function bought(site: Site, after: string): Promise<void> {
  const authorization = await site.pay(await site.send())
  for (const visit of ['first', 'second']) {
    const answer = await site.send({ headers: { authorization } })
    must(answer.status < 400, `${after} keeps the page back at the ${visit} visit`, answer)
    must(answer.receipt, `${after} takes the receipt at the ${visit} visit`, answer)
  }
  must(site.served() === 1, `${after} has the page made ${site.served()} times`)
  const moved = await site.settled()
  must(moved === 1, `${after} moves money ${moved} times`)
}
