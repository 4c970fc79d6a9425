/**
 * The workbench of a client case: a paying client with a wallet that counts, before a server that does as it is told.
 *
 * @module
 */
import { Challenge, Credential, Expires, Method, PaymentRequest, Receipt } from '@polyrail/core'
import { Mpp } from '@polyrail/core/client'
import { strings } from './reference/schema.js'

export type Transport = (input: string | URL | Request, init?: RequestInit) => Promise<Response>
export type CreateClient = (options: ClientOptions) => { fetch: Transport }
export type ClientOptions = {
  methods: Parameters<typeof Mpp.create>[0]['methods']
  policy?: Parameters<typeof Mpp.create>[0]['policy']
  fetch: Transport
}

/** One request as the server saw it. */
export type Visit = {
  url: URL
  method: string
  headers: Headers
  body: string
  /** The Payment credential that came with it. */
  credential: Credential.Credential | undefined
}

/** A client with 100 coins to spend at a time, and all that it did. */
export type Purse = {
  /** Fetches `https://shop.example/paid` unless told otherwise. */
  fetch(input?: string | Request, init?: RequestInit): Promise<Response>
  readonly visits: readonly Visit[]
  /** The challenges that the wallet was asked to pay, in order. */
  readonly paid: readonly Challenge.Challenge[]
}

export type ClientBench = { open(options?: open.Options): Purse }

export const URL_PAID = 'https://shop.example/paid'

const coins = Method.from({
  name: 'coins',
  intent: 'charge',
  schema: {
    request: strings(['amount', 'currency'], ['recipient', 'description']),
    credential: { payload: strings(['coin']) },
  },
})

/**
 * Sets up a bench for a client.
 *
 * @param create - Makes the client under test; `Mpp.create` of the core when left out.
 * @example
 * const purse = createClientBench().open()
 * await purse.fetch()
 */
export function createClientBench(create: CreateClient = Mpp.create): ClientBench {
  return { open: (options = {}) => open(create, options) }
}

declare namespace open {
  type Options = {
    /** Answers one request; by default a 402 with one good offer, and a page for a credential. */
    answer?: (visit: Visit, index: number) => Response | Promise<Response>
    policy?: ClientOptions['policy']
  }
}

function open(create: CreateClient, options: open.Options): Purse {
  const { answer = sell, policy = { max: '100', currencies: ['coin'] } } = options
  const visits: Visit[] = []
  const paid: Challenge.Challenge[] = []
  const wallet = Method.toClient(coins, {
    createCredential({ challenge }) {
      paid.push(challenge)
      return { payload: { coin: `coin-${paid.length}` }, authorization: true }
    },
  })
  const respond = async (request: Request): Promise<Response> => {
    const visit = await see(request)
    visits.push(visit)
    return answer(visit, visits.length - 1)
  }
  const client = create({ methods: [wallet], policy, fetch: platform(respond) })
  return { visits, paid, fetch: (input = URL_PAID, init) => client.fetch(input, init) }
}

/** The default server: one offer, and a page for who pays. */
export function sell({ credential }: Visit): Response {
  return credential ? page() : offer([challenge()])
}

/** A paid page with its receipt. */
export function page(text = 'page'): Response {
  const receipt = Receipt.serialize(Receipt.from({ method: 'coins', reference: 'r1' }))
  return new Response(text, { headers: { 'payment-receipt': receipt } })
}

/** A 402 with challenges, each a header value. */
export function offer(challenges: readonly string[], init: { status?: number } = {}): Response {
  const headers = challenges.map((value): [string, string] => ['www-authenticate', value])
  return new Response(null, { status: init.status ?? 402, headers })
}

let issued = 0

/** A good challenge for 10 coins as a header value, but for what is changed; `undefined` leaves a parameter out. */
export function challenge(changed: Partial<Record<string, string | undefined>> = {}): string {
  issued += 1
  const wire: Record<string, string | undefined> = {
    id: `challenge-${issued}`,
    realm: 'shop.example',
    method: 'coins',
    intent: 'charge',
    request: asking({}),
    expires: Expires.minutes(5),
    opaque: PaymentRequest.serialize({ order: '17', nonce: 'n' }),
    ...changed,
  }
  const written = Object.entries(wire).filter(([, value]) => value !== undefined)
  return `Payment ${written.map(([name, value]) => `${name}="${value}"`).join(', ')}`
}

/** The request parameter that asks for 10 coins, but for what is changed. */
export function asking(changed: Record<string, string>): string {
  return PaymentRequest.serialize({ amount: '10', currency: 'coin', recipient: 'shop', ...changed })
}

async function see(request: Request): Promise<Visit> {
  const { url, method, headers } = request
  const [token] = Credential.extract(headers.get('authorization'))
  const credential = token === undefined ? undefined : Credential.deserialize(token)
  return { url: new URL(url), method, headers, body: await request.text(), credential }
}

/** A platform that follows redirects with every header, as careless ones do. */
function platform(respond: (request: Request) => Promise<Response>): Transport {
  return async (input, init) => {
    let request = new Request(input, init)
    for (let hops = 0; ; hops++) {
      const { redirect, headers, url } = request
      const response = await respond(request)
      const location = response.headers.get('location')
      if (redirect !== 'follow' || location === null || hops > 5) return at(response, url)
      request = new Request(new URL(location, url), { headers, redirect })
    }
  }
}

/** A response made by hand has no URL; a fetched one does. */
const at = (response: Response, url: string): Response =>
  Object.defineProperty(response, 'url', { value: url })
