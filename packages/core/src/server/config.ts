/**
 * A server's settings, checked once when it is made.
 *
 * @module
 */
import * as ChallengeId from '../ChallengeId.js'
import type * as Challenge from '../Challenge.js'
import type { AnyServer, Server } from '../Method.js'
import type { Ledger } from '../Ledger.js'
import * as Store from '../Store.js'
import { createEmitter, warn, type Emitter } from './events.js'

/** What all routes of one server share. */
export type Kernel = {
  readonly methods: readonly Server[]
  readonly realm: string
  readonly keyring: ChallengeId.Keyring
  readonly store: Store.Store
  readonly ledger: Ledger | undefined
  readonly events: Emitter
  readonly expires: number
  readonly deadlines: Deadlines
  readonly free: ReadonlySet<string>
  readonly maxBodyBytes: number
  readonly maxAnswerBytes: number
  readonly insecure: boolean
  readonly policy: Config['policy']
  readonly limit: Config['limit']
  readonly client: Config['client']
}

/** Milliseconds. */
export type Deadlines = {
  /** For a rail to make its part of an offer; late, it drops out (3,000). */
  offer: number
  /** For a settlement; later, the outcome is unknown (30,000). */
  settle: number
  /** How long a duplicate waits for the first copy before its 409 (10,000). */
  wait: number
  /** How long a server that died keeps its payment from another (45,000); longer than `settle`. */
  lease: number
}

export type Config = {
  /** Payment methods, or lists of them as a rail's factory returns. The last of a name and intent wins. */
  methods: readonly (AnyServer | readonly AnyServer[])[]
  /** The protection space, best the public host name. Left out: `MPP_REALM`, or the platform's public name. */
  realm?: string | undefined
  /** 32 bytes or more; of several the first signs and all verify. Left out: `MPP_SECRET_KEY`. */
  secretKey?: string | readonly string[] | undefined
  /** Where claims and answers live. Left out: memory, for this process alone. */
  store?: Store.Store | undefined
  /** Where every step of a payment is written for your books, before its payer hears of it. */
  ledger?: Ledger | undefined
  /** Seconds that a challenge lives (300). */
  expires?: number | undefined
  deadlines?: Partial<Deadlines> | undefined
  /** May refuse a visitor whose proof is good, before any money moves: 403. */
  policy?:
    | ((visit: {
        challenge: Challenge.Challenge
        source?: string | undefined
        payer?: string | undefined
        method: string
        url: string
      }) => boolean | Promise<boolean>)
    | undefined
  /** Rate limit: seconds to wait for a 429, or nothing to go on. Called for each challenge and each credential. */
  limit?:
    | ((visit: {
        kind: 'challenge' | 'credential'
        method: string
        url: string
        header: (name: string) => string | null
      }) => number | undefined | Promise<number | undefined>)
    | undefined
  /**
   * Names who asks: an account, an API key, an address that can be trusted. A named client is asked the same again until it
   * answers, where a challenge costs something to make (an invoice), and is bounded by itself. One name is one payer: clients
   * who share one get the same invoice, which only one of them can pay. Left out, nobody is named.
   */
  client?:
    | ((visit: {
        method: string
        url: string
        header: (name: string) => string | null
        /** The other end of the connection, on Node: behind a proxy it is the proxy. */
        address: string | undefined
      }) => string | undefined | Promise<string | undefined>)
    | undefined
  /** HTTP methods that are never charged, such as `OPTIONS`; none unless named. */
  free?: readonly string[] | undefined
  /** Largest request body that is bound to a payment (10 MiB). */
  maxBodyBytes?: number | undefined
  /** Largest answer that is kept for a visitor who lost it (1 MiB). */
  maxAnswerBytes?: number | undefined
  /** Issues challenges over plain http to others than loopback. Only where TLS ends before this server and no `X-Forwarded-Proto` tells. */
  insecure?: boolean | undefined
}

/**
 * Checks a configuration and fills in what was left out.
 *
 * @throws TypeError naming the setting and the remedy.
 */
export function createKernel(config: Config): Kernel {
  const events = createEmitter()
  const store = resolveStore(config.store)
  const environment = readEnvironment()
  const deadlines = resolveDeadlines(config.deadlines)
  const expires = config.expires ?? 300
  if (!(expires >= 1 && expires <= 86_400))
    throw new TypeError('expires must be seconds, from 1 to 86,400.')
  const kernel: Kernel = {
    methods: uniqueMethods(config.methods.flat() as Server[], events),
    realm: resolveRealm(config.realm, environment),
    keyring: ChallengeId.keyring(resolveSecret(config.secretKey, environment)),
    store,
    ledger: checkLedger(config.ledger),
    events,
    expires,
    deadlines,
    free: new Set(config.free?.map((method) => method.toUpperCase())),
    maxBodyBytes: config.maxBodyBytes ?? 10 * 1024 * 1024,
    maxAnswerBytes: config.maxAnswerBytes ?? 1024 * 1024,
    insecure: config.insecure ?? false,
    policy: config.policy,
    limit: config.limit,
    client: config.client,
  }
  if (store.volatile && environment['NODE_ENV'] === 'production')
    warn(
      events,
      `Payments are kept in memory (store "${store.name}"): a restart forgets what was paid, and other instances never knew. Pass a durable \`store\` to Mpp.create.`,
    )
  return kernel
}

const OPERATIONS = ['get', 'set', 'delete', 'update', 'claim'] as const

function resolveStore(given: Config['store']): Store.Store {
  const store = given ?? Store.memory()
  const missing = OPERATIONS.filter((name) => typeof store[name] !== 'function')
  if (missing.length > 0)
    throw new TypeError(
      `The store has no ${missing.join(', ')}: without atomic claims two servers could settle one payment. Make a store of a backend that can compare and set with Store.from.`,
    )
  return store
}

function checkLedger(ledger: Config['ledger']): Ledger | undefined {
  if (ledger !== undefined && typeof ledger.write !== 'function')
    throw new TypeError(
      'The ledger has no write: make one with @polyrail/ledger/sqlite or /postgres, or `from` of @polyrail/ledger.',
    )
  return ledger
}

function resolveDeadlines(given: Config['deadlines']): Deadlines {
  const deadlines: Deadlines = { offer: 3000, settle: 30_000, wait: 10_000, lease: 45_000 }
  for (const name of Object.keys(deadlines) as (keyof Deadlines)[]) {
    const ms = given?.[name] ?? deadlines[name]
    // A timer takes no more than 31 bits, and goes off at once beyond.
    if (!(ms > 0 && ms < 2 ** 31))
      throw new TypeError(`deadlines.${name} must be milliseconds, above 0 and below 2^31.`)
    deadlines[name] = ms
  }
  if (deadlines.lease <= deadlines.settle)
    throw new TypeError(
      'deadlines.lease must be longer than deadlines.settle, or two servers could settle one payment.',
    )
  return deadlines
}

type Environment = Record<string, string | undefined>

const readEnvironment = (): Environment =>
  (globalThis as { process?: { env?: Environment } }).process?.env ?? {}

function uniqueMethods(methods: readonly Server[], events: Emitter): Server[] {
  if (methods.length === 0) throw new TypeError('Mpp.create needs at least one payment method.')
  const byKey = new Map<string, Server>()
  for (const method of methods) {
    if (typeof method?.settle !== 'function')
      throw new TypeError(
        `Method "${method?.name}" has no server side: import it from the rail's /server entry, or make it with Method.toServer.`,
      )
    const key = `${method.name}/${method.intent}`
    if (byKey.has(key)) warn(events, `Method "${key}" is given twice: the last one is used.`)
    byKey.set(key, method)
    if (!method.replayKey && !method.oneHook)
      warn(
        events,
        `Method "${key}" does not name its proofs, so that a hash of the whole payload is their name, and one proof written in two ways counts as two. Give Method.toServer a \`replayKey\`.`,
      )
  }
  return [...byKey.values()]
}

function resolveSecret(
  given: Config['secretKey'],
  environment: Environment,
): string | readonly string[] {
  const secret = given ?? environment['MPP_SECRET_KEY']
  if (secret === undefined || secret.length === 0)
    throw new TypeError(
      'Mpp.create needs a secretKey of 32 bytes or more, or MPP_SECRET_KEY in the environment. Make one with: openssl rand -base64 32',
    )
  return secret
}

/** Public host names that platforms keep stable across instances and deploys. */
const PLATFORM_NAMES = [
  'VERCEL_PROJECT_PRODUCTION_URL',
  'RENDER_EXTERNAL_HOSTNAME',
  'RAILWAY_PUBLIC_DOMAIN',
  'WEBSITE_HOSTNAME',
] as const

function resolveRealm(given: string | undefined, environment: Environment): string {
  const realm =
    given ??
    environment['MPP_REALM'] ??
    PLATFORM_NAMES.map((name) => environment[name]).find((name) => name) ??
    (environment['FLY_APP_NAME'] && `${environment['FLY_APP_NAME']}.fly.dev`)
  if (!realm)
    throw new TypeError(
      'Mpp.create needs a realm, or MPP_REALM in the environment: the public host name of this service, such as api.example.com.',
    )
  if (!/^[\x20-\x7e]+$/.test(realm) || realm.includes('|'))
    throw new TypeError(`Realm ${JSON.stringify(realm)} must be printable ASCII without "|".`)
  if (looksLikePod(realm))
    throw new TypeError(
      `Realm "${realm}" looks like the name of a container, which changes with every restart and breaks running payments. Set realm (or MPP_REALM) to the public host name of this service.`,
    )
  return realm
}

/** Kubernetes names (`api-7d4b9c6f5d-x2x8q`), container ids, and EC2's internal names. */
const looksLikePod = (realm: string): boolean =>
  /-[a-f0-9]{6,10}-[a-z0-9]{5}$/.test(realm) ||
  /^[0-9a-f]{12}$/.test(realm) ||
  /^ip-\d+-\d+-\d+-\d+/.test(realm)
