/**
 * Mutants of the server, put around it: what it lets pass, what it says, and what it forgets to say.
 *
 * @module
 */
import { ChallengeId, Credential, Expires, Receipt, type Challenge } from '@polyrail/core'
import type { Fetch, Seams } from '../bench.js'
import { token } from '../reference/token.js'
import type { Mutant } from './mutant.js'

const problem = (detail: string, status: number): Response =>
  Response.json({ detail }, { status, headers: { 'content-type': 'application/problem+json' } })

export const server: readonly Mutant[] = [
  {
    id: 'server/401-for-402',
    breaks: 'Payment is asked for with a 401, which clients take for a log-in.',
    threats: [6],
    caughtBy: ['challenge/unpaid-gets-402'],
    seams: () =>
      replying((response) => (response.status === 402 ? restatus(response, 401) : response)),
  },
  {
    id: 'server/402-without-challenge',
    breaks: 'The 402 does not say how to pay.',
    threats: [31],
    caughtBy: ['challenge/unpaid-gets-402', 'negotiation/malformed-or-unmatched'],
    seams: () => without('www-authenticate'),
  },
  {
    id: 'server/one-challenge-for-all',
    breaks: 'The 402 is built once and handed to everybody.',
    threats: [33],
    caughtBy: ['challenge/ids-are-unique'],
    seams: () => {
      const made = new Map<string, Promise<Response>>()
      return serving((real) => async (request) => {
        if (request.headers.has('authorization')) return real(request)
        const key = `${request.method} ${request.url}`
        const response = made.get(key) ?? real(request)
        made.set(key, response)
        return (await response).clone()
      })
    },
  },
  {
    id: 'server/slash-is-free',
    breaks: 'The till looks at one spelling of the path, the router at all of them.',
    threats: [6],
    caughtBy: ['unpaid/path-variants'],
    seams: () =>
      serving(
        (real) => async (request) =>
          /\/{2}|\/$|%/.test(new URL(request.url).pathname) ? new Response('page') : real(request),
      ),
  },
  {
    id: 'server/bearer-pays',
    breaks: 'Any Authorization will do.',
    threats: [6],
    caughtBy: ['unpaid/other-schemes'],
    seams: () =>
      serving(
        (real) => async (request) =>
          /^bearer /i.test(request.headers.get('authorization') ?? '')
            ? new Response('page')
            : real(request),
      ),
  },
  {
    id: 'server/breaks-on-malformed',
    breaks: 'A malformed credential throws.',
    threats: [7],
    caughtBy: ['malformed/credential'],
    seams: () =>
      serving((real) => async (request) => {
        const { headers } = request
        const broken = headers.has('authorization') && !Credential.fromRequest(request)
        return broken ? new Response('Internal error', { status: 500 }) : real(request)
      }),
  },
  {
    id: 'server/breaks-on-odd-headers',
    breaks: 'A header of an unexpected form throws.',
    threats: [7],
    caughtBy: ['malformed/header'],
    seams: () =>
      serving(
        (real) => async (request) =>
          /q=(?![01])/.test(request.headers.get('accept-payment') ?? '')
            ? new Response('Internal error', { status: 500 })
            : real(request),
      ),
  },
  {
    id: 'server/raw-description',
    breaks: 'A description goes into the header as it is, and what a header cannot carry throws.',
    threats: [7],
    caughtBy: ['challenge/description-of-any-text'],
    seams: () => {
      let text: unknown
      return {
        options(given) {
          text = 'description' in given ? given.description : undefined
          return { ...given, description: undefined }
        },
        ...replying((response) => {
          const header = response.headers.get('www-authenticate')
          if (typeof text === 'string' && header !== null)
            response.headers.set('www-authenticate', `${header}, description="${text}"`)
          return response
        }),
      }
    },
  },
  {
    id: 'server/small-credentials',
    breaks: 'Credentials above 2 kB are refused for their size.',
    threats: [25],
    caughtBy: ['malformed/large-credential'],
    seams: () =>
      serving(
        (real) => async (request) =>
          (request.headers.get('authorization') ?? '').length > 2048
            ? new Response('Too large', { status: 431 })
            : real(request),
      ),
  },
  {
    id: 'server/one-spelling',
    breaks:
      'A credential is known by its whole header, so that another spelling of the scheme makes it a used one.',
    threats: [10],
    caughtBy: ['replay/other-spelling'],
    seams: () => {
      const used = new Set<string>()
      return serving((real) => async (request) => {
        const said = request.headers.get('authorization') ?? ''
        const [, proof = ''] = said.split(/ +/)
        if (used.has(proof) && !used.has(said)) return real(reauthorized(request, undefined))
        if (proof) used.add(proof).add(said)
        return real(request)
      })
    },
  },
  {
    id: 'server/takes-the-last-credential',
    breaks: 'Of two credentials the last one is tried.',
    threats: [1],
    caughtBy: ['malformed/two-credentials'],
    seams: () =>
      serving((real) => (request) => {
        const last = Credential.extract(request.headers.get('authorization')).at(-1)
        return real(last === undefined ? request : reauthorized(request, last))
      }),
  },
  {
    id: 'server/signs-what-it-is-given',
    breaks: 'The challenge id is not checked against what it was computed from.',
    threats: [1, 4],
    caughtBy: ['binding/forged-after-payment', 'binding/other-secret'],
    rail: () => token(),
    seams: () => resigning((wire) => wire),
  },
  {
    id: 'server/forgives-expiry',
    breaks: 'An expired challenge still buys.',
    threats: [1, 13],
    caughtBy: ['binding/expired'],
    rail: () => token(),
    seams: () => resigning((wire) => ({ ...wire, expires: Expires.minutes(1) })),
  },
  {
    id: 'server/page-before-payment',
    breaks: 'The page is made first and shown only to who has paid.',
    threats: [28],
    caughtBy: ['challenge/does-nothing'],
    seams: () => {
      let make: ((request: Request) => unknown) | undefined
      return {
        page: (real) => (make = real) && real,
        serve: (real) => async (request) => {
          await make?.(request.clone())
          return real(request)
        },
      }
    },
  },
  {
    id: 'server/remembers-visitors',
    breaks: 'Every unpaid visit leaves something in the store.',
    threats: [28],
    caughtBy: ['challenge/does-nothing'],
    seams: () => {
      const note: { write?: (key: string) => Promise<void> } = {}
      return {
        store(real) {
          note.write = (key) => real.set(key, true, { ttl: 60 })
          return real
        },
        serve: (real) => async (request) => {
          await note.write?.(`visit:${crypto.randomUUID()}`)
          return real(request)
        },
      }
    },
  },
  {
    id: 'server/logs-credentials',
    breaks: 'Credentials are written down as they come.',
    threats: [16],
    caughtBy: ['operator/secrets-stay-secret'],
    seams: () => {
      const note: { write?: (text: string) => Promise<void> } = {}
      return {
        store(real) {
          note.write = (text) => real.set('log', text, { ttl: 60 })
          return real
        },
        serve: (real) => async (request) => {
          await note.write?.(request.headers.get('authorization') ?? '')
          return real(request)
        },
      }
    },
  },
  {
    id: 'server/echoes-credentials',
    breaks: 'An error repeats the credential that it is about.',
    threats: [16],
    caughtBy: ['errors/no-echo', 'operator/secrets-stay-secret'],
    seams: () =>
      serving((real) => async (request) => {
        const response = await real(request)
        const said = request.headers.get('authorization')
        return response.status === 402 && said !== null ? problem(`Bad: ${said}`, 402) : response
      }),
  },
  {
    id: 'server/fresh-402-after-unknown',
    breaks: 'An unknown outcome is answered by a fresh challenge.',
    threats: [9],
    caughtBy: ['recovery/unknown-is-503'],
    seams: () =>
      serving((real) => async (request) => {
        const unpaid = reauthorized(request, undefined)
        const response = await real(request)
        return response.status === 503 ? real(unpaid) : response
      }),
  },
  {
    id: 'server/never-says-when',
    breaks: 'Nothing says when to come again.',
    threats: [9],
    caughtBy: ['recovery/unknown-is-503', 'operator/rate-limit'],
    seams: () => without('retry-after'),
  },
  {
    id: 'server/receipt-on-errors',
    breaks: 'Errors carry a receipt.',
    threats: [11],
    caughtBy: ['receipt/not-on-errors', 'errors/no-receipt-on-402', 'recovery/unknown-is-503'],
    seams: () =>
      replying((response) => {
        const receipt = Receipt.from({ method: 'order', reference: 'none' })
        if (response.status >= 400)
          response.headers.set('payment-receipt', Receipt.serialize(receipt))
        return response
      }),
  },
  {
    id: 'server/no-receipt',
    breaks: 'Who paid has nothing to show for it.',
    threats: [11],
    caughtBy: ['receipt/on-success', 'receipt/after-settlement'],
    seams: () => without('payment-receipt'),
  },
  {
    id: 'server/cached-402',
    breaks: 'A cache may keep the 402.',
    threats: [26],
    caughtBy: ['caching/402-no-store'],
    seams: () => without('cache-control'),
  },
  {
    id: 'server/public-page',
    breaks: 'A shared cache may keep the page that one visitor paid for.',
    threats: [26],
    caughtBy: ['caching/paid-private', 'receipt/keeps-the-page'],
    seams: () =>
      replying((response) => {
        if (response.ok) response.headers.set('cache-control', 'public, max-age=600')
        return response
      }),
  },
  {
    id: 'server/ignores-preferences',
    breaks: 'Accept-Payment is ignored, and six offers fill the header.',
    threats: [25],
    caughtBy: ['operator/several-rails'],
    seams: () =>
      serving((real) => (request) => {
        const headers = new Headers(request.headers)
        headers.delete('accept-payment')
        return real(new Request(request, { headers }))
      }),
  },
  {
    id: 'server/key-is-a-pass',
    breaks: 'Who knows an Idempotency-Key gets the answer that somebody else paid for.',
    threats: [1],
    caughtBy: ['idempotency/keys-are-not-payment'],
    seams: () => {
      const known = new Map<string, Response>()
      return serving((real) => async (request) => {
        const key = request.headers.get('idempotency-key')
        const before = key === null ? undefined : known.get(key)
        if (before) return before.clone()
        const response = await real(request)
        if (key !== null && response.ok) known.set(key, response.clone())
        return response
      })
    },
  },
  {
    id: 'server/hides-headers',
    breaks: 'A browser page on another origin cannot see how to pay.',
    threats: [31],
    caughtBy: ['operator/exposes-headers'],
    seams: () => without('access-control-expose-headers'),
  },
]

const serving = (serve: (real: Fetch) => Fetch): Seams => ({ serve })

/** Changes every response; headers of the copy can be written. */
const replying = (change: (response: Response) => Response): Seams =>
  serving((real) => async (request) => {
    const response = await real(request)
    return change(restatus(response, response.status))
  })

const without = (name: string): Seams =>
  replying((response) => {
    response.headers.delete(name)
    return response
  })

const restatus = ({ body, headers }: Response, status: number): Response =>
  new Response(body, { status, headers })

function reauthorized(request: Request, authorization: string | undefined): Request {
  const headers = new Headers(request.headers)
  if (authorization === undefined) headers.delete('authorization')
  else headers.set('authorization', authorization)
  return new Request(request.clone(), { headers })
}

/** Gives every credential a challenge id that fits, after a change to its challenge. */
function resigning(change: (wire: Challenge.Wire) => Challenge.Wire): Seams {
  const keys: { ring?: ChallengeId.Keyring } = {}
  return {
    config(given) {
      keys.ring = ChallengeId.keyring(given.secretKey ?? '')
      return given
    },
    serve: (real) => (request) => {
      const credential = Credential.fromRequest(request)
      if (!credential || !keys.ring) return real(request)
      const wire = change(credential.challenge)
      const challenge = { ...wire, id: ChallengeId.create(wire, keys.ring) }
      return real(reauthorized(request, Credential.serialize({ ...credential, challenge })))
    },
  }
}
