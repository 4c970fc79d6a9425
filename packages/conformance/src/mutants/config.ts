/**
 * Mutants of a server's settings and routes: what is bound, what is free, whose price counts.
 *
 * @module
 */
import { Credential, PaymentRequest } from '@polyrail/core'
import type { Mutant } from './mutant.js'

export const config: readonly Mutant[] = [
  {
    id: 'config/price-from-the-credential',
    breaks: 'The route asks what the credential says that it asks.',
    threats: [4],
    caughtBy: ['binding/price-rose'],
    seams: () => ({
      options(given, request) {
        const credential = Credential.fromRequest(request)
        const said = credential && PaymentRequest.deserialize(credential.challenge.request)
        return said ?? given
      },
    }),
  },
  {
    id: 'config/any-route',
    breaks: 'The payment is not bound to its route, so one page’s payment opens another.',
    threats: [1, 4],
    caughtBy: [
      'binding/other-route',
      'binding/other-http-method',
      'binding/other-origin',
      'binding/other-url',
    ],
    seams: () => ({ options: (given) => ({ ...given, bind: { scope: false } }) }),
  },
  {
    id: 'config/any-body',
    breaks: 'The payment is not bound to the body, so it may be swapped afterwards.',
    threats: [5],
    caughtBy: ['binding/body', 'binding/swapped-body', 'challenge/digest-of-body'],
    seams: () => ({ options: (given) => ({ ...given, bind: { body: false } }) }),
  },
  {
    id: 'config/any-realm',
    breaks: 'All shops that share a secret share a realm, so one takes the other’s payments.',
    threats: [1],
    caughtBy: ['binding/other-shop'],
    seams: () => ({ config: (given) => ({ ...given, realm: 'shop.example' }) }),
  },
  {
    id: 'config/lives-for-ever',
    breaks: 'Challenges live for ten years.',
    threats: [13],
    caughtBy: ['challenge/expires-soon', 'challenge/expires-as-configured'],
    seams: () => ({ options: (given) => ({ ...given, expires: 315_360_000 }) }),
  },
  {
    id: 'config/head-is-free',
    breaks: 'HEAD is taken for harmless and runs the page without payment.',
    threats: [6],
    caughtBy: ['unpaid/head', 'operator/free-methods'],
    seams: () => ({ config: (given) => ({ ...given, free: [...(given.free ?? []), 'HEAD'] }) }),
  },
  {
    id: 'config/options-is-free',
    breaks: 'OPTIONS runs the page without payment although nobody said that it is free.',
    threats: [6],
    caughtBy: ['unpaid/other-methods', 'operator/free-methods'],
    seams: () => ({ config: (given) => ({ ...given, free: ['OPTIONS'] }) }),
  },
  {
    id: 'config/pads-the-secret',
    breaks: 'A short secret is padded instead of refused, so it can be guessed.',
    threats: [29],
    caughtBy: ['operator/short-secret'],
    seams: () => ({
      config: (given) => ({ ...given, secretKey: String(given.secretKey).padEnd(32, '0') }),
    }),
  },
  {
    id: 'config/one-secret',
    breaks:
      'Of several secrets only the first is known, so a rotation strands who was about to pay.',
    threats: [29],
    caughtBy: ['operator/rotated-secret'],
    seams: () => ({
      config: (given) => ({ ...given, secretKey: [given.secretKey ?? ''].flat()[0] }),
    }),
  },
  {
    id: 'config/no-rate-limit',
    breaks: 'Who comes too often is served all the same, an invoice for every hit.',
    threats: [27],
    caughtBy: ['operator/rate-limit'],
    seams: () => ({ config: (given) => ({ ...given, limit: undefined }) }),
  },
  {
    id: 'config/policy-after-payment',
    breaks: 'Who policy denies has paid by then.',
    threats: [10],
    caughtBy: ['operator/policy-denies'],
    seams: () => {
      let denied = false
      return {
        config(given) {
          denied = given.policy !== undefined
          return { ...given, policy: undefined }
        },
        serve: (real) => async (request) => {
          const response = await real(request)
          const paid = response.headers.has('payment-receipt')
          return denied && paid ? new Response(null, { status: 403 }) : response
        },
      }
    },
  },
  {
    id: 'config/all-rails-or-none',
    breaks: 'One rail that is down takes the whole offer with it.',
    threats: [31],
    caughtBy: ['operator/rail-down'],
    seams: () => {
      let down = false
      return {
        config: (given) => ({
          ...given,
          methods: given.methods.flat().map((method) => {
            const { issued } = method
            if (!issued) return method
            const create = async (asked: Parameters<typeof issued.create>[0]) => {
              try {
                return await issued.create(asked)
              } catch (error) {
                down = true
                throw error
              }
            }
            return { ...method, issued: { ...issued, create } }
          }),
        }),
        serve: (real) => async (request) => {
          const response = await real(request)
          return down ? new Response('An offer failed', { status: 503 }) : response
        },
      }
    },
  },
  {
    id: 'config/answers-are-not-kept',
    breaks: 'The answer is not recorded, so who loses it has paid for nothing.',
    threats: [10],
    caughtBy: ['recovery/lost-response', 'recovery/torn-page', 'idempotency/same-credential'],
    seams: () => ({ wrapped: false }),
  },
  {
    id: 'config/errors-count-as-pages',
    breaks: 'A page that fails is delivered as if it were whole, receipt and all.',
    threats: [10, 11],
    caughtBy: ['receipt/not-on-errors', 'recovery/page-failed'],
    seams: () => ({
      page: (real) => async (request) => {
        const response = await Promise.resolve(real(request)).catch(() => Response.error())
        return response.ok ? response : new Response(response.body)
      },
    }),
  },
]
