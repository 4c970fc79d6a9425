/**
 * Method cases: many copies of one credential at the same moment.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import { present, type Bench, type Site } from '../../bench.js'
import { must, type Case } from '../../case.js'

/** The cases, with as many copies as wanted (100). */
export const concurrency = ({ copies = 100 }: { copies?: number }): readonly Case<Bench>[] => [
  concurrentCopies({ copies }),
  {
    id: 'concurrency/two-servers',
    requirements: ['core-071', 'core-072'],
    threats: [1, 2],
    title: 'copies that reach two servers with one store settle once and make one page',
    async run({ open }) {
      const store = Store.memory()
      const sites = [open({ config: { store } }), open({ config: { store } })]
      await race(sites, 20)
    },
  },
  {
    id: 'concurrency/plain-route',
    requirements: ['core-071', 'core-073'],
    threats: [2],
    title: 'copies at a route that calls the page itself settle once and make one page',
    async run({ open }) {
      const site = open()
      await race([site], 20, site.url.replace('/paid', '/plain'))
    },
  },
  {
    id: 'concurrency/one-proof-many-challenges',
    requirements: ['core-066', 'core-071'],
    threats: [2, 3],
    title: 'one proof shown with many challenges at once pays for one of them at most',
    async run({ open }) {
      const site = open()
      const challenges = await Promise.all(
        Array.from({ length: 10 }, async () => (await site.send()).challenges[0]),
      )
      const honest = await site.prove(await site.send())
      const answers = await Promise.all(
        challenges.map((challenge) => {
          must(challenge, 'there is no challenge to answer')
          const authorization = present({ ...honest, challenge })
          return site.send({ headers: { authorization } })
        }),
      )
      const paid = answers.filter(({ status }) => status < 400).length
      must(paid <= 1, `one proof opened ${paid} pages at once`)
      must((await site.settled()) <= 1, 'one proof moved money more than once')
    },
  },
  slowPage,
]

/**
 * The case that sends many copies of one credential at once; a rail with a real network behind it
 * may want to choose how many.
 *
 * @example
 * await concurrentCopies({ copies: 1000 }).run(createBench(rail))
 */
export function concurrentCopies({ copies }: { copies: number }): Case<Bench> {
  return {
    id: 'concurrency/copies',
    requirements: ['core-071', 'core-072', 'core-073'],
    threats: [2],
    title: `${copies} copies of one credential at once: one settlement, one delivery`,
    run: async ({ open }) => race([open()], copies),
  }
}

const slowPage: Case<Bench> = {
  id: 'concurrency/slow-page',
  requirements: ['core-071', 'core-073'],
  threats: [2],
  title: 'a page that takes longer than any lease on the payment is made once',
  async run({ open, rail }) {
    // The rail is not in question, and its network may be slower than so short a lease.
    const { validate: _, payer: __, ...method } = rail.server
    const hooks = { replayKey: () => crypto.randomUUID(), settle: () => ({ reference: 'none' }) }
    const config = {
      methods: [{ ...method, ...hooks }],
      deadlines: { settle: 150, lease: 300, wait: 3000 },
    }
    const site = open({ config })
    site.page(async () => {
      await pause(1200)
      return new Response('slow')
    })
    const headers = { authorization: await site.pay(await site.send()) }
    const first = site.send({ headers })
    await pause(700)
    for (const answer of await Promise.all([first, site.send({ headers })]))
      must(answer.text === 'slow', 'a copy of a slow visit gets something else', answer)
    must(site.served() === 1, `a slow page was made ${site.served()} times for one payment`)
  },
}

async function race(sites: readonly Site[], copies: number, at?: string): Promise<void> {
  const [first] = sites
  must(first, 'there is no server to race on')
  const url = at ?? first.url
  const authorization = await first.pay(await first.send({ url }))
  const answers = await Promise.all(
    Array.from({ length: copies }, (_, index) =>
      (sites[index % sites.length] ?? first).send({ url, headers: { authorization } }),
    ),
  )
  const moved = await first.settled()
  must(moved === 1, `${copies} copies of one credential moved money ${moved} times`)
  const served = sites.reduce((sum, site) => sum + site.served(), 0)
  must(served === 1, `${copies} copies of one credential made ${served} pages`)
  const pages = new Set(answers.filter(({ status }) => status < 400).map(({ text }) => text))
  must(pages.size === 1, `${copies} copies of one credential brought ${pages.size} different pages`)
  for (const answer of answers)
    must(
      answer.status < 400 || [402, 409].includes(answer.status),
      'a copy is neither served, nor told to wait, nor refused',
      answer,
    )
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
