/**
 * Method cases: money that is set aside until the page is made, and taken only for a good one.
 *
 * @module
 */
import type { Bench, Site } from '../../bench.js'
import { must, type Case } from '../../case.js'

const route = { capture: 'after' }

export const capture: readonly Case<Bench>[] = [
  {
    id: 'capture/after-the-page',
    requirements: ['core-032', 'core-033'],
    threats: [10, 11],
    title: 'the money is set aside, taken once the page is made, and only then is there a receipt',
    needs: ['captures'],
    async run({ open }) {
      const site = open({ route })
      const seen: number[] = []
      site.page(async () => {
        seen.push(await site.settled())
        return new Response('page')
      })
      const { answer, authorization } = await show(site)
      must(answer.status < 400, 'an honest payment does not open the page', answer)
      must(seen.join() === '0', 'the money is taken before the page is made')
      must((await site.settled()) === 1, 'the page goes out and the money is not taken')
      must(answer.receipt, 'who paid gets no receipt', answer)
      const again = await site.send({ headers: { authorization } })
      must(again.text === answer.text, 'a lost page is not given again', again)
      must((await site.settled()) === 1, 'a page is paid for twice')
    },
  },
  {
    id: 'capture/no-page-no-money',
    requirements: ['core-034'],
    threats: [11],
    title:
      'a page that fails, throws or breaks off costs nothing, and its credential buys no other',
    needs: ['captures'],
    async run({ open }) {
      for (const fail of FAILURES) {
        const site = open({ route })
        site.page(fail)
        const { answer, authorization } = await show(site)
        must(answer.status >= 400, 'a page that failed goes out as if it were good', answer)
        must(!answer.receipt, 'a page that failed carries a receipt', answer)
        must((await site.settled()) === 0, 'the money is taken for a page that failed')
        site.page(() => new Response('page'))
        const again = await site.send({ headers: { authorization } })
        const pages = again.status < 400 ? 1 : 0
        must((await site.settled()) === pages, 'money that was let go buys a page', again)
      }
    },
  },
  {
    id: 'capture/lost-answer',
    requirements: ['charge-018'],
    threats: [9, 10],
    title:
      'when the answer to a capture is lost, the page waits, is made once, and is paid for once',
    needs: ['captures'],
    async run({ open, rail }) {
      for (const kind of ['before-settle', 'after-settle'] as const) {
        const site = open({ route })
        site.page(async () => {
          await rail.fault(kind)
          return new Response('page')
        })
        const { authorization } = await show(site)
        let answer = await site.send({ headers: { authorization } })
        for (let tries = 1; tries < PATIENCE && answer.status >= 500; tries++)
          answer = await site.send({ headers: { authorization } })
        must(answer.text === 'page', 'who may have paid does not get the page', answer)
        must((await site.settled()) === 1, 'a capture whose answer was lost is made twice')
        must(site.served() === 1, 'the page is made twice for one payment')
      }
    },
  },
  {
    id: 'capture/copies',
    requirements: ['core-071'],
    threats: [2],
    title: 'copies of one credential have one page and one capture',
    needs: ['captures'],
    async run({ open }) {
      const site = open({ route })
      const authorization = await site.pay(await site.send())
      const copies = Array.from({ length: 20 }, () => site.send({ headers: { authorization } }))
      const answers = await Promise.all(copies)
      must(
        answers.some(({ status }) => status < 400),
        'no copy gets the page',
        answers[0],
      )
      must((await site.settled()) === 1, 'copies of one credential are captured twice')
      must(site.served() === 1, 'copies of one credential have the page made twice')
    },
  },
  {
    id: 'capture/not-declared',
    requirements: [],
    title: 'a rail that takes the money at once does not let a route say that it is taken later',
    needs: ['!captures'],
    async run({ open, rail }) {
      const answer = await open({ route }).send()
      must(answer.status === 500, `${rail.server.name} pretends to set money aside`, answer)
    },
  },
]

/** Presentations until somebody has found out. */
const PATIENCE = 10

const FAILURES: readonly (() => Response)[] = [
  () => new Response('broken', { status: 500 }),
  () => new Response('gone', { status: 404 }),
  () => {
    throw new Error('the page exploded')
  },
  () =>
    new Response(
      new ReadableStream({
        pull() {
          throw new Error('the upstream broke off')
        },
      }),
    ),
]

/** Asks, pays and shows the credential, whatever the answer. */
async function show(site: Site) {
  const authorization = await site.pay(await site.send())
  return { authorization, answer: await site.send({ headers: { authorization } }) }
}
