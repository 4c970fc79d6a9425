/**
 * Wire cases: what caches may keep.
 *
 * @module
 */
import { must, type Case } from '../../case.js'
import { buy } from '../../buy.js'
import type { Wire } from '../../wire.js'

export const caching: readonly Case<Wire>[] = [
  {
    id: 'caching/402-no-store',
    requirements: ['core-082', 'core-083'],
    threats: [26],
    title: 'a 402 says Cache-Control: no-store',
    async run(target) {
      const answer = await target.send()
      must(
        directives(answer.headers).includes('no-store'),
        'a cache may hand one visitor’s challenge to another',
        answer,
      )
    },
  },
  {
    id: 'caching/paid-private',
    requirements: ['core-084'],
    threats: [26],
    title: 'an answer with a receipt says Cache-Control: private',
    needs: ['pay'],
    async run(target) {
      const { answer } = await buy(target)
      const found = directives(answer.headers)
      must(
        found.includes('private') || found.includes('no-store'),
        'a shared cache may keep a paid answer and its receipt',
        answer,
      )
      must(!found.includes('public'), 'a paid answer is marked public', answer)
    },
  },
]

function directives(headers: Headers): string[] {
  return (headers.get('cache-control') ?? '').split(',').map((part) => part.trim().toLowerCase())
}
