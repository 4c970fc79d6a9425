/**
 * Method cases: when there is a receipt, and what it says.
 *
 * @module
 */
import type { Bench } from '../../bench.js'
import { buy } from '../../buy.js'
import { must, type Case } from '../../case.js'

export const receipt: readonly Case<Bench>[] = [
  {
    id: 'receipt/after-settlement',
    requirements: ['core-033'],
    threats: [11],
    title: 'when the receipt arrives, the money has moved',
    async run({ open, rail }) {
      const site = open()
      const authorization = await site.pay(await site.send())
      let moved = 0
      site.page(async () => {
        moved = await site.settled()
        return new Response('page')
      })
      const answer = await site.send({ headers: { authorization } })
      must(answer.receipt, 'a paid answer has no receipt', answer)
      must(moved === 1, `the page is made when ${moved} payments have moved (${rail.server.name})`)
      must(answer.receipt.status === 'success', 'the receipt does not say success', answer)
    },
  },
  {
    id: 'receipt/not-on-errors',
    requirements: ['core-034'],
    threats: [11],
    title: 'a page that fails, with a 4xx or a 5xx, carries no receipt',
    async run({ open }) {
      for (const path of ['/paid', '/plain'])
        for (const status of [400, 404, 422, 500, 503]) {
          const site = open()
          const url = site.url.replace('/paid', path)
          site.page(() => new Response('no', { status }))
          const authorization = await site.pay(await site.send({ url }))
          const answer = await site.send({ url, headers: { authorization } })
          must(
            answer.status === status,
            `${path}: a ${status} of the page arrives as another status`,
            answer,
          )
          must(
            !answer.headers.has('payment-receipt'),
            `${path}: a ${status} carries a receipt`,
            answer,
          )
        }
    },
  },
  {
    id: 'receipt/keeps-the-page',
    requirements: ['core-032', 'core-084'],
    threats: [26],
    title: 'the receipt joins the page’s own headers and takes none away',
    async run({ open }) {
      for (const path of ['/paid', '/plain']) {
        const site = open()
        const url = site.url.replace('/paid', path)
        site.page(
          () =>
            new Response('page', {
              status: 201,
              headers: [
                ['x-own', '1'],
                ['set-cookie', 'a=1'],
                ['set-cookie', 'b=2'],
                ['cache-control', 'public, max-age=60'],
              ],
            }),
        )
        const { answer } = await buy(site, { url })
        must(answer.status === 201, `${path}: the page’s status is lost`, answer)
        must(answer.headers.get('x-own') === '1', `${path}: the page’s headers are lost`, answer)
        must(answer.headers.getSetCookie().length === 2, `${path}: a cookie is lost`, answer)
        const cache = answer.headers.get('cache-control') ?? ''
        must(
          cache.includes('private') && !cache.includes('public'),
          `${path}: a paid page says Cache-Control: ${cache}`,
        )
      }
    },
  },
]
