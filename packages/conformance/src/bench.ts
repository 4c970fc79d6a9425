/**
 * The workbench of a method case: it opens shops that sell by the rail under test, and counts what happens there.
 *
 * @module
 */
import { Credential, type Challenge, type Method, type Receipt } from '@polyrail/core'
import { Mpp, Store } from '@polyrail/core/server'
import type { Answer } from './answer.js'
import { must } from './case.js'
import type { Rail } from './rail.js'
import { wire, type Wire } from './wire.js'

export type Fetch = (request: Request) => Promise<Response>
type Config = Parameters<typeof Mpp.create>[0]
type Shop = Mpp.Mpp<Method.Server>

/** Where a mutant may reach in; a run of the real thing has none. */
export type Seams = {
  /** The method, as the server is given it. */
  method?(method: Method.Server): Method.Server
  /** The store, as the server is given it. */
  store?(store: Store.Store): Store.Store
  /** The server's settings. */
  config?(config: Config): Config
  /** What a route asks, as it is for this request. */
  options?(options: object, request: Request): object
  /** The priced page, before payment is put in front of it. */
  page?(page: Page): Page
  /** The form of route that serves the recorded answer of a paid request again. */
  wrapped?: boolean
  /** The whole shop, routes and payment and all. */
  serve?(serve: Fetch): Fetch
}

export type Page = (request: Request) => Response | Promise<Response>

export type Bench = {
  readonly rail: Rail
  /** Opens a shop with four priced routes: `/paid`, `/other`, `/dear`, and `/plain` without answer recovery. */
  open(options?: open.Options): Site
}

/** A shop on the bench. Its own priced request is `GET /paid`. */
export type Site = Wire & {
  readonly fetch: Fetch
  /** Every write to the store, in order. */
  readonly writes: readonly Write[]
  /** Every event that the server emitted, as text. */
  readonly events: readonly string[]
  /** Makes a proof for this rail's challenge in an answer, by its client. */
  prove(answer: Answer): Promise<Proof>
  /** Puts the page that `/paid` and all other routes serve behind the till. */
  page(page: Page): void
  /** Changes what `/paid` asks from now on. */
  price(which: 'usual' | 'dearer'): void
  /** How often a page was made. */
  served(): number
  /** The receipts of all settlements, also of those whose visitor got none. */
  readonly receipts: readonly Receipt.Receipt[]
  /** Gives money back. */
  refund: Shop['refund']
  /** How many payments have really moved since the shop opened. */
  settled(): Promise<number>
}

export type Write = { key: string; value: unknown; ttl: number }
export type Proof = {
  challenge: Challenge.Wire | Challenge.Challenge
  payload: unknown
  source?: string
}

/** Long enough for any server; the cases that judge secrets make their own. */
const SECRET = 'conformance-secret-of-more-than-32-bytes'
const ORIGIN = 'https://shop.example'

/**
 * Sets up a bench for a rail.
 *
 * @param seams - Only for mutants.
 * @example
 * const { answer } = await buy(createBench(rail).open())
 */
export function createBench(rail: Rail, seams: Seams = {}): Bench {
  return { rail, open: (options = {}) => open(rail, seams, options) }
}

/** Writes the Authorization value of a proof. */
export function present({ challenge, payload, source }: Proof): string {
  return Credential.serialize({ challenge, payload, ...(source !== undefined && { source }) })
}

declare namespace open {
  type Options = {
    /** Settings of the server, beside what the bench gives. */
    config?: Partial<Config>
    /** Said by each route beside the rail's price: description, expires, … */
    route?: object
    /** Other rails, with their options, offered after the rail under test. */
    others?: readonly (readonly [Method.Server, object])[]
    origin?: string
  }
}

function open(rail: Rail, seams: Seams, options: open.Options): Site {
  const { origin = ORIGIN } = options
  const writes: Write[] = []
  const events: string[] = []
  const receipts: Receipt.Receipt[] = []
  let page: Page = describePage
  let price = rail.options
  let served = 0
  const before = Promise.resolve(rail.settled())

  const makePage: Page = async (request) => {
    const response = await page(request)
    if (response.status < 400) served += 1
    return response
  }
  const method = seams.method?.(rail.server) ?? rail.server
  const config = createConfig(rail, method, { ...options, writes, seams })
  const mpp = Mpp.create(seams.config?.(config) ?? config)
  mpp.on('settled', ({ receipt }) => void receipts.push(receipt))
  for (const name of EVENTS) mpp.on(name, (event) => void events.push(name + show(event)))

  const till = createTill({ mpp, method, seams, options, page: seams.page?.(makePage) ?? makePage })
  const routes: Readonly<Record<string, () => { price: object; wrapped: boolean }>> = {
    '/paid': () => ({ price, wrapped: true }),
    '/other': () => ({ price: rail.options, wrapped: true }),
    '/dear': () => ({ price: rail.dearer, wrapped: true }),
    '/plain': () => ({ price: rail.options, wrapped: false }),
  }
  const serve: Fetch = async (request) => {
    const route = routes[new URL(request.url).pathname]
    return route ? till(request, route()) : new Response('Not found', { status: 404 })
  }
  const fetch = unbroken(seams.serve?.(serve) ?? serve)
  const target = wire({ url: `${origin}/paid`, other: `${origin}/other`, fetch })
  const prove = (answer: Answer) => proveBy(rail, answer)
  return {
    ...target,
    fetch,
    writes,
    events,
    receipts,
    refund: mpp.refund,
    prove,
    pay: async (answer) => present(await prove(answer)),
    page: (next) => void (page = next),
    price: (which) => void (price = which === 'dearer' ? rail.dearer : rail.options),
    served: () => served,
    settled: async () => (await rail.settled()) - (await before),
  }
}

/** What a framework does with a route that throws. */
const unbroken =
  (serve: Fetch): Fetch =>
  async (request) => {
    try {
      return await serve(request)
    } catch {
      return new Response('Broken', { status: 500 })
    }
  }

const EVENTS = [
  'challenge',
  'settled',
  'rejected',
  'indeterminate',
  'delivered',
  'replayed',
  'canceled',
  'refunded',
  'error',
] as const

function createConfig(
  rail: Rail,
  method: Method.Server,
  parts: open.Options & { writes: Write[]; seams: Seams },
): Config {
  const { patience = 2000 } = rail
  const store = recording(parts.config?.store ?? Store.memory(), parts.writes)
  return {
    methods: [method, ...(parts.others ?? []).map(([other]) => other)],
    realm: new URL(parts.origin ?? ORIGIN).host,
    secretKey: SECRET,
    deadlines: { settle: patience, lease: patience * 2, wait: patience, offer: patience },
    ...parts.config,
    store: parts.seams.store?.(store) ?? store,
  }
}

type Till = (request: Request, route: { price: object; wrapped: boolean }) => Promise<Response>

/** Puts payment before the page, in the wrapped or in the plain form. */
function createTill(parts: {
  mpp: Shop
  method: Method.Server
  seams: Seams
  options: open.Options
  page: Page
}): Till {
  const { mpp, method, seams, options, page } = parts
  const handlers = new Map<object, Mpp.Handler>()
  return async (request, route) => {
    const said = { ...route.price, ...options.route }
    const known = seams.options ? undefined : handlers.get(route.price)
    const asked = seams.options?.(said, request) ?? said
    const handler = known ?? mpp.compose([method, asked], ...(options.others ?? []))
    handlers.set(route.price, handler)
    if (route.wrapped && seams.wrapped !== false) return handler(page)(request)
    const payment = await handler(request)
    if (payment.status === 402) return payment.challenge
    return payment.withReceipt(await page(request))
  }
}

/** What a page says unless the case says otherwise: unlike any other, and what it was sent. */
async function describePage(request: Request): Promise<Response> {
  return Response.json({ page: crypto.randomUUID(), got: await request.text() })
}

async function proveBy(rail: Rail, answer: Answer): Promise<Proof> {
  const { name, intent } = rail.client
  const challenge = answer.challenges.find((one) => one.method === name && one.intent === intent)
  must(challenge, `the answer offers no ${name}/${intent} challenge to pay`, answer)
  const signal = AbortSignal.timeout(60_000)
  // Each purchase is one of its own: a method that remembers what it paid for must not take it for an earlier one.
  const url = new URL(`https://api.example.com/${challenge.id}`)
  const { context } = rail
  const proof = await rail.client.createCredential({ challenge, context, url, signal })
  const { payload, source } = proof
  return { challenge, payload, ...(source !== undefined && { source }) }
}

/** A store that notes what is written to it. */
function recording(store: Store.Store, writes: Write[]): Store.Store {
  const { wait } = store
  return {
    name: store.name,
    ...(store.volatile !== undefined && { volatile: store.volatile }),
    ...(wait && { wait: wait.bind(store) }),
    get: (key) => store.get(key),
    delete: (key) => store.delete(key),
    set(key, value, options) {
      writes.push({ key, value, ttl: options.ttl })
      return store.set(key, value, options)
    },
    async update(key, change, options) {
      const value = await store.update(key, change, options)
      writes.push({ key, value, ttl: options.ttl })
      return value
    },
    claim(entries) {
      writes.push(...entries)
      return store.claim(entries)
    },
  }
}

/** Any value as text, whatever is in it. */
export function show(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint') return String(part)
    return part instanceof Error ? `${part.name}: ${part.message}` : part
  })
}
