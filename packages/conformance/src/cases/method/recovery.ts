/**
 * Method cases: when the network, the page or the connection fails, nobody pays twice and nobody pays for nothing.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import type { Answer } from '../../answer.js'
import type { Bench, Site } from '../../bench.js'
import { buy } from '../../buy.js'
import { must, type Case } from '../../case.js'
import type { Fault } from '../../rail.js'
import type { Change } from '../../wire.js'

/** Presentations of one credential before the case gives up hope. */
const PATIENCE = 5

export const recovery: readonly Case<Bench>[] = [
  {
    id: 'recovery/unknown-is-503',
    requirements: ['core-044'],
    threats: [9],
    title:
      'an unknown outcome is a 503 with Retry-After and no challenge, whichever way the network fails',
    async run(bench) {
      for (const kind of ['before-settle', 'after-settle', 'hang'] as const) {
        const { answer, site } = await fail(bench, kind)
        must(answer.status !== 402, `after "${kind}" a fresh 402 makes the payer pay twice`, answer)
        must(answer.status === 503, `after "${kind}" the answer is not a 503`, answer)
        must(answer.wires.length === 0, `after "${kind}" a fresh challenge is offered`, answer)
        must(
          answer.headers.has('retry-after'),
          `after "${kind}" nothing says when to retry`,
          answer,
        )
        must(!answer.headers.has('payment-receipt'), `after "${kind}" there is a receipt`, answer)
        must(site.served() === 0, `after "${kind}" the page is made`)
      }
    },
  },
  {
    id: 'recovery/found-again',
    requirements: ['core-071'],
    threats: [9],
    title:
      'after a lost settlement answer, the same credential gets the page without a second payment',
    needs: ['reconciles'],
    async run(bench) {
      for (const kind of ['before-settle', 'after-settle'] as const) {
        const { authorization, site } = await fail(bench, kind)
        const answer = await insist(site, authorization)
        must(answer.status < 400, `after "${kind}" the same credential never gets its page`, answer)
        const moved = await site.settled()
        must(moved === 1, `after "${kind}" the payer has paid ${moved} times`)
        must(site.served() === 1, `after "${kind}" the page was made ${site.served()} times`)
      }
    },
  },
  {
    id: 'recovery/stays-unknown',
    requirements: ['core-071'],
    threats: [9],
    title:
      'where nobody can find out, the same credential stays unknown and is never settled again',
    needs: ['!reconciles'],
    async run(bench) {
      const { authorization, site } = await fail(bench, 'after-settle')
      const before = await site.settled()
      const answer = await insist(site, authorization)
      must(answer.status === 503, 'an outcome that nobody can know becomes known', answer)
      must(answer.wires.length === 0, 'an unknown outcome brings a fresh challenge', answer)
      must((await site.settled()) === before, 'an unknown outcome is settled again')
      must(site.served() === 0, 'an unknown outcome opens the page')
    },
  },
  {
    id: 'recovery/lost-response',
    requirements: ['core-070'],
    threats: [10],
    title: 'who lost the response gets it again by the same credential: same page, same receipt',
    async run({ open }) {
      const site = open()
      const { authorization, answer } = await buy(site)
      const again = await site.send({ headers: { authorization } })
      must(again.status === answer.status, 'the answer that was paid for is not given again', again)
      must(again.text === answer.text, 'the answer given again is another one', again)
      must(
        again.headers.get('payment-receipt') === answer.headers.get('payment-receipt'),
        'the receipt given again is another one',
        again,
      )
      must(site.served() === 1, 'the page is made again for an answer that was recorded')
    },
  },
  {
    id: 'recovery/page-failed',
    requirements: ['core-034', 'core-073'],
    threats: [10, 11],
    title:
      'when the page fails after payment, the same credential gets it later without a second payment',
    async run({ open }) {
      for (const path of ['/paid', '/plain']) {
        const site = open()
        const url = site.url.replace('/paid', path)
        const authorization = await site.pay(await site.send({ url }))
        for (const page of [() => new Response('down', { status: 500 }), explode]) {
          site.page(page)
          const failed = await whenFree(site, { url, headers: { authorization } })
          must(
            failed.status >= 500,
            `${path}: a broken page is answered as if it were whole`,
            failed,
          )
          must(
            !failed.headers.has('payment-receipt'),
            `${path}: a broken page has a receipt`,
            failed,
          )
        }
        site.page(() => new Response('whole'))
        const answer = await whenFree(site, { url, headers: { authorization } })
        must(
          answer.text === 'whole',
          `${path}: who paid for a page that failed has to pay again`,
          answer,
        )
        must(answer.receipt, `${path}: the page that came later has no receipt`, answer)
        must((await site.settled()) === 1, `${path}: a page that failed is paid for twice`)
      }
    },
  },
  {
    id: 'recovery/server-died',
    requirements: ['core-071'],
    threats: [2, 9, 10],
    title:
      'when a server dies after moving the money, its twin finds the payment and serves the page',
    needs: ['reconciles'],
    async run(bench) {
      const { authorization, twin, moved } = await die(bench)
      const answer = await whenKnown(twin, { headers: { authorization } })
      must(answer.status < 400, 'what a dead server was paid for is never served', answer)
      must((await moved()) === 1, `a dead server makes the payer pay ${await moved()} times`)
      must(twin.served() === 1, `the page was made ${twin.served()} times`)
    },
  },
  {
    id: 'recovery/server-died-unknown',
    requirements: ['core-071'],
    threats: [2, 9],
    title:
      'when a server dies and nobody can find out, its twin never settles again and never asks for more',
    needs: ['!reconciles'],
    async run(bench) {
      const { authorization, twin, moved } = await die(bench)
      const before = await moved()
      const answer = await whenKnown(twin, { headers: { authorization } })
      must(answer.status === 503, 'what nobody can know is known to the twin', answer)
      must(answer.wires.length === 0, 'who may have paid is asked to pay again', answer)
      must((await moved()) === before, 'the twin moves the money again')
      must(twin.served() === 0, 'the twin sells what nobody knows to be paid')
    },
  },
  {
    id: 'recovery/large-page',
    requirements: ['core-032', 'charge-018'],
    threats: [1, 10],
    title:
      'a page too large to keep arrives whole, and is not made a second time for the same payment',
    async run({ open }) {
      const site = open({ config: { maxAnswerBytes: 1000 } })
      const text = 'large '.repeat(50_000)
      site.page(() => new Response(new Blob([text]).stream()))
      const { authorization, answer } = await buy(site)
      must(answer.text === text, `of a page of ${text.length} bytes ${answer.text.length} arrive`)
      const again = await site.send({ headers: { authorization } })
      must(again.status === 402, 'a large page is served again for the same payment', again)
      must(site.served() === 1, 'a large page is made twice for one payment')
    },
  },
  {
    id: 'recovery/torn-page',
    requirements: ['core-032', 'charge-018'],
    threats: [9, 10],
    title: 'a page that breaks off on its way is owed whole, without a second payment',
    async run({ open }) {
      const site = open()
      let runs = 0
      site.page(() => new Response(++runs === 1 ? torn('half a ') : 'whole page'))
      const authorization = await site.pay(await site.send())
      const headers = { authorization }
      const first = await site.fetch(new Request(site.url, { headers }))
      must(first.status < 400, `a page that streams arrives as a ${first.status}`)
      const text = await first.text().catch(() => undefined)
      must(text === undefined, `a page that breaks off ends as if it were whole: ${text}`)
      const again = await site.send({ headers })
      must(again.text === 'whole page', 'who got half a page has to pay for the other', again)
      must((await site.settled()) === 1, 'a page that breaks off is paid for twice')
    },
  },
]

async function fail({ open, rail }: Bench, kind: Fault) {
  const site = open()
  const authorization = await site.pay(await site.send())
  await rail.fault(kind)
  return { site, authorization, answer: await site.send({ headers: { authorization } }) }
}

/** Pays a server that never hears of the settlement and writes nothing after the claim, as if its process had ended there. */
async function die({ open, rail }: Bench) {
  const store = Store.memory()
  const gone = () => Promise.reject(new Error('the process has ended'))
  const site = open({ config: { store: { ...store, update: gone, set: gone, delete: gone } } })
  const twin = open({ config: { store } })
  const before = await rail.settled()
  const authorization = await site.pay(await site.send())
  await rail.fault('after-settle')
  const answer = await site.send({ headers: { authorization } })
  must(answer.status >= 500, 'a server that can record nothing serves the page', answer)
  must(answer.wires.length === 0, 'a server that can record nothing asks for more', answer)
  return { authorization, twin, moved: async () => (await rail.settled()) - before }
}

/** Asks until the dead server's lease is over and somebody has found out, or nobody can. */
async function whenKnown(site: Site, change: Change): Promise<Answer> {
  let answer = await whenFree(site, change)
  for (let tries = 1; tries < PATIENCE && answer.status >= 500; tries++)
    answer = await whenFree(site, change)
  return answer
}

/** Presents a credential again and again, as Retry-After asks but without the wait. */
async function insist(site: Site, authorization: string): Promise<Answer> {
  let answer = await site.send({ headers: { authorization } })
  for (let tries = 1; tries < PATIENCE && answer.status >= 400; tries++) {
    must(answer.status !== 402, 'who may have paid is asked to pay again', answer)
    answer = await site.send({ headers: { authorization } })
  }
  return answer
}

/**
 * Asks until no other copy is at work. Where the route calls the page itself, the server cannot see
 * the page throw, and holds the payment until its lease is over.
 */
async function whenFree(site: Site, change: Change): Promise<Answer> {
  let answer = await site.send(change)
  for (let tries = 0; tries < 100 && answer.status === 409; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    answer = await site.send(change)
  }
  return answer
}

function explode(): never {
  throw new Error('the page exploded')
}

/** A body that comes slowly, and breaks off. */
function torn(text: string): ReadableStream<Uint8Array> {
  let pulls = 0
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      if (++pulls > 1) throw new Error('the upstream broke off')
      controller.enqueue(new TextEncoder().encode(text))
    },
  })
}
