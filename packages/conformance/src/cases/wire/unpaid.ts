/**
 * Wire cases: ways around the till.
 *
 * @module
 */
import { must, type Case } from '../../case.js'
import type { Wire } from '../../wire.js'

export const unpaid: readonly Case<Wire>[] = [
  {
    id: 'unpaid/head',
    requirements: ['core-002'],
    threats: [6],
    title: 'HEAD on a priced page is not free',
    async run(target) {
      const answer = await target.send({ method: 'HEAD' })
      must(answer.status >= 400, 'a HEAD request reaches the priced page without payment', answer)
    },
  },
  {
    id: 'unpaid/other-methods',
    requirements: ['core-002'],
    threats: [6],
    title: 'no other HTTP method opens a priced page',
    needs: ['unsafe'],
    async run(target) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
        const answer = await target.send({ method })
        must(answer.status >= 300, `${method} opens the priced page without payment`, answer)
      }
      const options = await target.send({ method: 'OPTIONS', body: null })
      must(
        options.status >= 300 || options.text === '',
        'OPTIONS brings the priced page without payment',
        options,
      )
    },
  },
  {
    id: 'unpaid/path-variants',
    requirements: ['core-002'],
    threats: [6],
    title: 'no other spelling of the path opens a priced page',
    async run(target) {
      for (const url of spellings(target.url)) {
        const answer = await target.send({ url })
        must(answer.status >= 300, `${url} opens the priced page without payment`, answer)
      }
    },
  },
  {
    id: 'unpaid/other-schemes',
    requirements: ['core-002', 'core-076'],
    title: 'credentials of other schemes do not pay',
    async run(target) {
      for (const authorization of [
        'Basic eDp4',
        'Bearer eyJhbGciOiJub25lIn0.e30.',
        'Digest x="y"',
      ]) {
        const answer = await target.send({ headers: { authorization } })
        must(answer.status >= 400, `"${authorization}" opens the priced page`, answer)
      }
    },
  },
]

/** The same page as a careless router may read it. */
function spellings(url: string): string[] {
  const { origin, pathname, search } = new URL(url)
  const last = pathname.slice(-1)
  const encoded = `${pathname.slice(0, -1)}%${last.codePointAt(0)?.toString(16)}`
  const variants = [
    `/${pathname}`,
    `${pathname}/`,
    `${pathname}//`,
    encoded,
    `${pathname}%2f`,
    `/%2e${pathname}`,
    `/x/..${pathname}`,
    `${pathname};x=y`,
    `${pathname}%00`,
    pathname.toUpperCase(),
  ]
  return variants
    .filter((path) => path !== pathname && path !== '//')
    .map((path) => origin + path + search)
}
