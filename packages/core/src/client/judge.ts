/**
 * From offers to one credential: judge, count, ask, and only then let a method pay.
 *
 * @module
 */
import * as Challenge from '../Challenge.js'
import * as base64url from '../codec/base64url.js'
import type * as Method from '../Method.js'
import type { Body } from './capture.js'
import { within } from './deadline.js'
import type { Code, Emitter, Refusal } from './events.js'
import { format, isListed, keyOf, reserve, scaled, type Ledger, type Rules } from './policy.js'
import { isForeign } from './transport.js'

/** A challenge and the method that would pay it. */
export type Offer = { readonly method: Method.Client; readonly wire: Challenge.Wire }

/** One 402 and what has been tried of it. */
export type Occasion = {
  readonly url: URL
  readonly body?: Body | undefined
  readonly signal: AbortSignal | undefined
  readonly context: unknown
  readonly rules: Rules
  readonly ledger: Ledger
  readonly events: Emitter
  /** Offers not tried yet. */
  queue: Offer[]
  readonly refusals: Refusal[]
}

/** An offer that has been read: its challenge is typed and its price known. */
type Terms = Offer & { challenge: Challenge.Challenge; price: Method.Price }

/** A credential, and what it pays. */
export type Payment = Terms & {
  /** The `Authorization` value: a secret. */
  credential: string
  /** False when making the proof moved the money. */
  revocable: boolean
}

/** What is being looked at: the refusal that it is, should it not hold. */
type Trial = Offer &
  Occasion & {
    code: Code
    detail?: string
    /** Money moved, or may have: it stays counted, and nothing else is tried. */
    isMoved?: boolean
  }

/** A hostile server must not make a wallet try, or a person answer, without end. */
const maxOffers = 16

/** Offers that a method here can pay: the client's order of methods first, then the server's. */
export function select(
  methods: readonly Method.Client[],
  wires: readonly Challenge.Wire[],
): Offer[] {
  return methods
    .flatMap((method) => wires.map((wire) => ({ method, wire })))
    .filter(({ method, wire }) => wire.method === method.name && wire.intent === method.intent)
    .slice(0, maxOffers)
}

/**
 * Tries the offers in turn until one has a credential; `undefined` when none is left.
 *
 * @param onLate - Told of a credential that came after the caller had gone.
 * @throws The signal's reason when the caller leaves, and what a method throws when it cannot tell
 * whether its money moved: then no other offer may be tried.
 * @see core draft, Amount Verification
 */
export async function authorize(
  occasion: Occasion,
  onLate?: (payment: Payment) => void,
): Promise<Payment | undefined> {
  const { signal, queue, refusals } = occasion
  for (let offer = queue.shift(); offer; offer = queue.shift()) {
    const trial: Trial = { ...occasion, ...offer, code: 'expired' }
    const refusal: Refusal = { code: 'expired', offer: offer.wire }
    try {
      const trying = attempt(trial)
      const onLeave = (): void =>
        void trying.then((payment) => payment && onLate?.(payment)).catch(() => {})
      const payment = await within(trying, { signal, onLeave })
      if (payment) return payment
    } catch (cause) {
      if (signal?.aborted || trial.isMoved) throw cause
      if (trial.code === 'approval-failed') queue.length = 0
      refusal.cause = cause
    }
    refusal.code = trial.code
    if (trial.detail) refusal.detail = trial.detail
    refusals.push(refusal)
  }
  return undefined
}

/** Each step names, in `trial.code`, what it means when it fails or throws. */
async function attempt(trial: Trial): Promise<Payment | undefined> {
  const terms = (await isFit(trial)) && (await readTerms(trial))
  if (!terms || !isPermitted(trial, terms)) return undefined
  trial.code = 'budget-unavailable'
  const release = await reserve(trial.rules, { ...terms, host: trial.url.host }, trial.ledger)
  trial.code = 'over-budget'
  if (!release) return undefined
  let payment: Payment | undefined
  try {
    if (await ask(trial, terms)) payment = await pay(trial, terms)
    return payment
  } finally {
    if (!payment && !trial.isMoved) await release().catch(() => {})
  }
}

async function isFit(trial: Trial): Promise<boolean> {
  const { wire, url, body, rules } = trial
  const { realms, maxExpiry = 3600 } = rules.policy
  const life = lifeOf(wire)
  const check = (code: Code, holds: boolean | undefined): boolean | undefined => {
    trial.code = code
    return holds
  }
  return !!(
    check('foreign-realm', !isForeign(wire.realm, url) || realms?.includes(wire.realm)) &&
    check('expiry-missing', wire.expires !== undefined) &&
    check('expired', life > 0) &&
    check('expiry-too-far', life <= maxExpiry * 1000) &&
    check('digest-mismatch', wire.digest === undefined || (await isDigestOf(wire.digest, body)))
  )
}

/** Milliseconds that a challenge is still valid; zero or less when it is not, or its time cannot be read. */
export function lifeOf({ expires = '' }: Challenge.Wire): number {
  // The platform reads what the pattern lets through; a day that its month lacks is off by days at most.
  const isTime = /^\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(expires)
  return (isTime && Date.parse(expires.toUpperCase()) - Date.now()) || 0
}

/** The platform's digest: a client may wait, and carries no hash of its own. Reads both deployed forms. */
async function isDigestOf(digest: string, body: Body | undefined): Promise<boolean> {
  const bytes = await new Response(body).arrayBuffer()
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const encoded = btoa(String.fromCharCode(...hash))
  return digest
    .split(/[, ]+/)
    .some((item) => item.replace(/=:(.*):$/, '=$1') === `sha-256=${encoded}`)
}

/** What is asked, typed by the method's schema, and its price. */
async function readTerms(trial: Trial): Promise<Terms | undefined> {
  const { method, wire } = trial
  trial.code = 'request-invalid'
  const decoded = Challenge.decode(wire)
  const result = decoded && (await method.schema.request['~standard'].validate(decoded.request))
  if (!result || result.issues) return undefined
  const challenge = { ...decoded, request: result.value }
  trial.code = 'not-accepted'
  const reason = await method.accepts?.({ challenge })
  if (reason !== undefined) {
    trial.detail = reason
    return undefined
  }
  trial.code = 'price-unreadable'
  const price = method.price ? method.price(challenge.request) : priceOf(challenge.request)
  const { amount, decimals } = price
  if (amount < 0n || decimals < 0 || typeof amount !== 'bigint') return undefined
  return { method, wire, challenge, price }
}

/** The charge draft's fields. A number has one spelling: digits alone. */
function priceOf({ amount, currency }: { amount?: unknown; currency?: unknown }): Method.Price {
  const isWhole = typeof amount === 'string' && /^(0|[1-9]\d{0,77})$/.test(amount)
  return { amount: isWhole ? BigInt(amount) : -1n, currency: String(currency), decimals: 0 }
}

/** @see charge draft, Currency Verification and Recipient Verification */
function isPermitted(trial: Trial, { price, challenge }: Terms): boolean {
  const { method, rules } = trial
  const { policy, max } = rules
  trial.code = 'recipient-refused'
  if (!isListed(policy.recipients, challenge.request.recipient)) return false
  trial.code = 'currency-refused'
  if (!isListed(policy.currencies, price.currency)) return false
  trial.code = 'policy-missing'
  const key = max && keyOf(max, method, price.currency)
  if (!key && (max || !policy.approve)) {
    trial.detail = `Not paid: set policy.max.${method.name}, or policy.approve.`
    console.warn(trial.detail)
    return false
  }
  trial.code = 'over-max'
  return !key || scaled(price) <= max!.get(key)!
}

async function ask(trial: Trial, { price, challenge }: Terms): Promise<boolean> {
  const { rules, wire, events, signal } = trial
  const { approve, approveTimeout = 300_000 } = rules.policy
  const url = trial.url.href
  if (approve) {
    trial.code = 'approval-failed'
    const answer = approve({ url, amount: format(price), price, challenge })
    const agreed = await within(answer, { ms: Math.min(approveTimeout, lifeOf(wire)) })
    trial.code = 'not-approved'
    if (agreed !== true) return false
  }
  trial.code = 'expired'
  if (lifeOf(wire) <= 0 || signal?.aborted) return false
  events.emit('selected', { url, price, challenge })
  return true
}

async function pay(trial: Trial, terms: Terms): Promise<Payment | undefined> {
  const { method, challenge, wire } = terms
  const { context, signal = new AbortController().signal } = trial
  trial.code = 'credential-failed'
  const proof = await start(() => method.createCredential({ challenge, context, signal })).catch(
    (cause: { code?: unknown } | undefined) => {
      // A method that throws says that no money moved, unless it says that it cannot tell.
      trial.isMoved = cause?.code === 'payment-indeterminate'
      throw cause
    },
  )
  const { payload, source, authorization: revocable = false } = proof
  trial.isMoved = !revocable
  trial.code = 'expired'
  if (revocable && (lifeOf(wire) <= 0 || signal.aborted)) return undefined
  const credential = JSON.stringify({ challenge: wire, payload, source })
  return { ...terms, credential: `Payment ${base64url.encode(credential)}`, revocable }
}

let starting = 0

/** What a method fetches before it first waits is not paid for in turn. */
async function start<value>(work: () => value | Promise<value>): Promise<value> {
  starting++
  try {
    return work()
  } finally {
    starting--
  }
}

/** Whether a fetch comes from the start of a payment. */
export function isNested(): boolean {
  return starting > 0
}
