/**
 * Mutants of the client, put around it or under it: clients that pay too much, too often or to the wrong place.
 *
 * @module
 */
import { Challenge, Credential, Expires } from '@polyrail/core'
import type { ClientOptions, CreateClient, Transport } from '../purse.js'
import type { Mutant } from './mutant.js'

export const client: readonly Mutant[] = [
  {
    id: 'client/pays-in-a-loop',
    breaks: 'As long as the answer is a 402, the client pays again.',
    threats: [12],
    caughtBy: ['client/hostile-loop'],
    client: around((fetch) => async (input, init) => {
      let response = await fetch(input, init)
      for (let more = 0; more < 2 && response.status === 402; more++)
        response = await fetch(input, init)
      return response
    }),
  },
  {
    id: 'client/pays-anew-after-503',
    breaks: 'A 503 or a 409 makes the client pay anew.',
    threats: [9],
    caughtBy: ['client/unknown-outcome'],
    client: (real) => (options) => {
      const hasty = under(replied((response) => withoutHeader(response, 'retry-after')))(real)(
        options,
      )
      return {
        async fetch(input, init) {
          const response = await hasty.fetch(input, init)
          return [409, 503].includes(response.status) ? hasty.fetch(input, init) : response
        },
      }
    },
  },
  {
    id: 'client/pays-anew-after-a-drop',
    breaks: 'A dropped connection makes the client pay anew.',
    threats: [9, 10],
    caughtBy: ['client/lost-connection'],
    client: (real) => (options) => {
      const dropped = under(
        (fetch) => (input, init) =>
          fetch(input, init).catch(() => new Response(null, { status: 500 })),
      )(real)(options)
      return {
        async fetch(input, init) {
          const response = await dropped.fetch(input, init)
          return response.status === 500 ? dropped.fetch(input, init) : response
        },
      }
    },
  },
  {
    id: 'client/no-cap',
    breaks: 'Any price will do.',
    threats: [12],
    caughtBy: ['client/refuses-bad-offers', 'client/description-is-not-the-price'],
    client: withPolicy((policy) => ({ ...policy, max: '1000000000' })),
  },
  {
    id: 'client/pays-unasked',
    breaks: 'Without any limit there is none.',
    threats: [12],
    caughtBy: ['client/no-consent-no-payment'],
    client: withPolicy((policy) => ({ max: '1000000000', ...policy })),
  },
  {
    id: 'client/any-currency',
    breaks: 'Ten of anything are ten.',
    threats: [12],
    caughtBy: ['client/refuses-bad-offers'],
    client: withPolicy((policy) => ({ ...policy, currencies: undefined })),
  },
  {
    id: 'client/any-recipient',
    breaks: 'Whoever asks is paid.',
    threats: [4],
    caughtBy: ['client/known-recipients'],
    client: withPolicy((policy) => ({ ...policy, recipients: undefined })),
  },
  {
    id: 'client/no-budget',
    breaks: 'Only single payments have a limit, their sum has none.',
    threats: [12],
    caughtBy: ['client/budget'],
    client: withPolicy((policy) => ({ ...policy, total: undefined, perHost: undefined })),
  },
  {
    id: 'client/broken-hook-agrees',
    breaks: 'A hook that throws is no veto.',
    threats: [13],
    caughtBy: ['client/asks-and-heeds'],
    client: withPolicy((policy) => {
      const { approve } = policy
      if (!approve) return policy
      return {
        ...policy,
        approve: async (question) => {
          try {
            return await approve(question)
          } catch {
            return true
          }
        },
      }
    }),
  },
  {
    id: 'client/pays-over-http',
    breaks: 'Plain http is as good as https.',
    threats: [13],
    caughtBy: ['client/plain-http'],
    client: (real) => (options) => {
      const plain = new Set<string>()
      const fetch: Transport = (input, init) => {
        const url = urlOf(input)
        return options.fetch(plain.has(url) ? url.replace('https:', 'http:') : input, init)
      }
      const inner = real({ ...options, fetch })
      return {
        fetch(input, init) {
          const url = urlOf(input)
          if (!url.startsWith('http:')) return inner.fetch(input, init)
          const secure = url.replace('http:', 'https:')
          plain.add(secure)
          return inner.fetch(secure, init)
        },
      }
    },
  },
  {
    id: 'client/any-expiry',
    breaks: 'Offers that have expired, or never do, are paid.',
    threats: [13],
    caughtBy: ['client/refuses-bad-offers'],
    client: under(rewritten((wire) => ({ ...wire, expires: Expires.minutes(5) }))),
  },
  {
    id: 'client/any-realm',
    breaks: 'Offers in the name of another host are paid.',
    threats: [13],
    caughtBy: ['client/refuses-bad-offers'],
    client: under(rewritten((wire) => ({ ...wire, realm: 'shop.example' }))),
  },
  {
    id: 'client/any-digest',
    breaks: 'Offers for another body are paid.',
    threats: [5, 14],
    caughtBy: ['client/refuses-bad-offers'],
    client: under(rewritten((wire) => without(wire, 'digest'))),
  },
  {
    id: 'client/follows-with-the-credential',
    breaks: 'A redirect takes the credential along.',
    threats: [15, 16],
    caughtBy: ['client/does-not-tell-the-next-server'],
    client: under((fetch) => (input, init) => fetch(input, { ...init, redirect: 'follow' })),
  },
  {
    id: 'client/pays-who-redirects',
    breaks:
      'A 402 from wherever a redirect led is paid as if it came from the host that was asked.',
    threats: [13, 15],
    caughtBy: ['client/redirected-402'],
    client: (real) => {
      const forgetful = under(replied((response) => withoutHeader(response, 'x-none')))
      return under(rewritten((wire) => ({ ...wire, realm: 'shop.example' })))(forgetful(real))
    },
  },
  {
    id: 'client/drops-the-body',
    breaks: 'The paid request is a GET without the body.',
    threats: [14],
    caughtBy: ['client/same-request-again'],
    client: under((fetch) => (input, init) => {
      const { authorization } = Object.fromEntries(headersOf(input, init))
      if (authorization === undefined) return fetch(input, init)
      return fetch(urlOf(input), { headers: headersOf(input, init) })
    }),
  },
  {
    id: 'client/forgets-opaque',
    breaks: 'The credential does not return all of the challenge.',
    threats: [1],
    caughtBy: ['client/pays-once'],
    client: under((fetch) => (input, init) => {
      const headers = headersOf(input, init)
      const credential = Credential.deserialize(headers.get('authorization'))
      if (!credential) return fetch(input, init)
      const short = { ...credential, challenge: without(credential.challenge, 'opaque') }
      headers.set('authorization', Credential.serialize(short))
      return fetch(input, { ...init, headers })
    }),
  },
  {
    id: 'client/all-or-nothing',
    breaks: 'One bad challenge makes every offer unreadable.',
    threats: [8],
    caughtBy: ['client/finds-the-good-offer'],
    client: under(
      replied((response) => {
        const header = response.headers.get('www-authenticate') ?? ''
        const [named, good] = [header.match(/payment /gi) ?? [], Challenge.parse(header)]
        return good.length < named.length ? withoutHeader(response, 'www-authenticate') : response
      }),
    ),
  },
  {
    id: 'client/short-sighted',
    breaks: 'Challenges are read up to 2 kB.',
    threats: [25],
    caughtBy: ['client/large-challenge'],
    client: under(
      replied((response) => {
        const header = response.headers.get('www-authenticate') ?? ''
        return header.length > 2048 ? withoutHeader(response, 'www-authenticate') : response
      }),
    ),
  },
  {
    id: 'client/silent',
    breaks: 'The client does not say what it can pay.',
    threats: [25],
    caughtBy: ['client/declares-what-it-can-pay'],
    client: under((fetch) => (input, init) => {
      const headers = headersOf(input, init)
      headers.delete('accept-payment')
      return fetch(input, { ...init, headers })
    }),
  },
]

type Policy = NonNullable<ClientOptions['policy']>
type Break = (real: CreateClient) => CreateClient

/** Puts something around the client's fetch. */
function around(wrap: (fetch: Transport) => Transport): Break {
  return (real) => (options) => ({ fetch: wrap(real(options).fetch) })
}

/** Puts something between the client and the network. */
function under(wrap: (fetch: Transport) => Transport): Break {
  return (real) => (options) => real({ ...options, fetch: wrap(options.fetch) })
}

function withPolicy(change: (policy: Policy) => Policy): Break {
  return (real) => (options) => real({ ...options, policy: change(options.policy ?? {}) })
}

/** Changes every response before the client sees it. */
function replied(change: (response: Response) => Response): (fetch: Transport) => Transport {
  return (fetch) => async (input, init) => change(await fetch(input, init))
}

/** Makes the client see other challenges than came. */
function rewritten(change: (wire: Challenge.Wire) => Challenge.Wire) {
  return replied((response) => {
    const header = response.headers.get('www-authenticate')
    if (header === null) return response
    const seen = Challenge.scan(header).map((wire) => Challenge.serialize(change(wire)))
    const copy = withoutHeader(response, 'www-authenticate')
    copy.headers.set('www-authenticate', seen.join(', '))
    return copy
  })
}

function without(wire: Challenge.Wire, name: 'digest' | 'opaque'): Challenge.Wire {
  const { [name]: dropped, ...rest } = wire
  return dropped === undefined ? wire : (rest as Challenge.Wire)
}

/** A copy without a header, and without the URL that the platform knows. */
function withoutHeader(response: Response, name: string): Response {
  const copy = new Response(response.body, { status: response.status, headers: response.headers })
  copy.headers.delete(name)
  return copy
}

const urlOf = (input: string | URL | Request): string =>
  typeof input === 'object' && 'headers' in input ? input.url : String(input)

const headersOf = (input: string | URL | Request, init?: RequestInit): Headers =>
  new Headers(
    init?.headers ?? (typeof input === 'object' && 'headers' in input ? input.headers : {}),
  )
