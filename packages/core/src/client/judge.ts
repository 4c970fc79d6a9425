/**
 * From offers to one credential: judge, count, ask, and only then let a method pay.
 *
 * @module
 */
import type * as Challenge from '../Challenge.js'
import * as base64url from '#base64url'
import type * as Method from '../Method.js'
import * as PaymentRequest from '../PaymentRequest.js'
import type { Body } from './capture.js'
import { within } from './deadline.js'
import type { Code, Emitter, Events, Refusal } from './events.js'
import { format, isListed, keyOf, reserve, scaled, type Ledger, type Rules } from './policy.js'
import { isForeign } from './transport.js'

/** A challenge and the method that would pay it. */
export type Offer = { readonly method: Method.Client; readonly wire: Challenge.Wire }

/** One 402 and what has been tried of it. */
export type Occasion = {
  readonly client: { readonly ledger: Ledger; readonly events: Emitter }
  readonly call: {
    readonly body?: Body | undefined
    readonly signal: AbortSignal | undefined
    /** Absent where the caller presents the credential. */
    readonly send?: (() => unknown) | undefined
  }
  /** Where it came from. */
  readonly url: URL
  readonly rules: Rules
  readonly context: unknown
  /** Not tried yet. */
  offers: Offer[]
  readonly refusals: Refusal[]
}

/** An offer on its way to become a payment: what is known of it so far. */
type Trial<occasion extends Occasion = Occasion> = Offer & {
  readonly occasion: occasion
  /** Epoch milliseconds. */
  readonly expires: number
  /** What is being looked at: the refusal that it is, should it not hold. */
  code: Code
  detail?: string
  challenge?: Challenge.Challenge
  price?: Method.Price
  /** The `Authorization` value: a secret. */
  credential?: string
  /** The same in another form. */
  alternate?: string | undefined
  /** Money moved, or may have: it stays counted, and nothing else is tried. */
  isMoved?: boolean
}

/** A trial that came through. */
export type Payment<occasion extends Occasion = Occasion> = Trial<occasion> &
  Required<Pick<Trial, 'challenge' | 'price' | 'credential'>>

/** A hostile server must not make a wallet try, or a person answer, without end. */
const maxOffers = 16

/** Offers that a method here can pay: the client's order of methods first, then the server's. */
export function select(
  methods: readonly Method.Client[],
  wires: readonly Challenge.Wire[],
): Offer[] {
  const offers: Offer[] = []
  for (const method of methods)
    for (const wire of wires)
      if (wire.method === method.name && wire.intent === method.intent)
        offers.push({ method, wire })
  return offers.slice(0, maxOffers)
}

/**
 * Tries the offers in turn until one has a credential; `undefined` when none is left.
 *
 * @param onLate - Told of a credential that came after the caller had gone.
 * @throws The signal's reason when the caller leaves, and what a method throws when it cannot tell
 * whether its money moved: then no other offer may be tried.
 * @see core draft, Amount Verification
 */
export async function authorize<occasion extends Occasion>(
  occasion: occasion,
  onLate?: (payment: Payment<occasion>) => void,
): Promise<Payment<occasion> | undefined> {
  const { offers, refusals, call } = occasion
  for (let offer; (offer = offers.shift());) {
    const { method, wire } = offer
    const expires = readTime(wire.expires)
    const trial: Trial<occasion> = { occasion, method, wire, expires, code: 'expired' }
    const refusal: Omit<Refusal, 'code'> = { offer: wire }
    try {
      const trying = attempt(trial)
      const onLeave = (): void =>
        void trying.then(
          () => isPaid(trial) && onLate?.(trial),
          () => {},
        )
      await (call.signal ? within(trying, call.signal, onLeave) : trying)
      if (isPaid(trial)) return trial
    } catch (cause) {
      if (call.signal?.aborted || trial.isMoved) throw cause
      if (trial.code === 'approval-failed') offers.length = 0
      refusal.cause = cause
    }
    if (trial.detail) refusal.detail = trial.detail
    refusals.push({ code: trial.code, ...refusal })
  }
  return undefined
}

const isPaid = <occasion extends Occasion>(trial: Trial<occasion>): trial is Payment<occasion> =>
  !!trial.credential

/** Each step names, in `trial.code`, what it means when it fails or throws. */
async function attempt(trial: Trial): Promise<void> {
  const { rules, url, client } = trial.occasion
  const isOurs = isFit(trial) && (trial.wire.digest === undefined || (await isForBody(trial)))
  const price = isOurs && (await readPrice(trial))
  if (!price || !isPermitted(trial, price)) return
  trial.code = 'budget-unavailable'
  const spending = { method: trial.method, price, host: url.host }
  const release = await reserve(rules, spending, client.ledger)
  trial.code = 'over-budget'
  if (!release) return
  try {
    const asked = { url: url.href, price, challenge: trial.challenge! }
    if ((!rules.policy.approve || (await ask(trial, asked))) && isTimely(trial)) {
      client.events.emit('selected', () => asked)
      await pay(trial, release)
    }
  } finally {
    if (!(trial.credential || trial.isMoved)) await release().catch(() => {})
  }
}

function isFit(trial: Trial): boolean {
  const { wire, occasion, expires } = trial
  const { realms, maxExpiry = 3600 } = occasion.rules.policy
  const life = expires - Date.now()
  trial.code = 'foreign-realm'
  if (isForeign(wire.realm, occasion.url) && !realms?.includes(wire.realm)) return false
  trial.code = 'expiry-missing'
  if (wire.expires === undefined) return false
  trial.code = 'expired'
  if (life <= 0) return false
  trial.code = 'expiry-too-far'
  return life <= maxExpiry * 1000
}

/** Epoch milliseconds; zero for what is no time. */
function readTime(text = ''): number {
  // The platform reads what the pattern lets through; a day that its month lacks is off by days at most.
  const isTime = /^\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text)
  return (isTime && Date.parse(text.toUpperCase())) || 0
}

/** The platform's digest: a client may wait, and carries no hash of its own. In whatever form, it is in there. */
async function isForBody(trial: Trial): Promise<boolean> {
  trial.code = 'digest-mismatch'
  const bytes = await new Response(trial.occasion.call.body).arrayBuffer()
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return trial.wire.digest!.includes(btoa(String.fromCharCode(...hash)))
}

/** What is asked, typed by the method's schema, and its price. */
async function readPrice(trial: Trial): Promise<Method.Price | undefined> {
  const { method, wire } = trial
  trial.code = 'request-invalid'
  const asked = PaymentRequest.deserialize(wire.request)
  const result = asked && (await method.schema.request['~standard'].validate(asked))
  if (!result || result.issues) return undefined
  // What the server keeps in `opaque` is its own, and goes back as it came.
  const changes = { request: result.value, opaque: undefined, wire }
  const challenge: Challenge.Challenge = Object.assign({}, wire, changes)
  trial.challenge = challenge
  trial.code = 'not-accepted'
  const reason = method.accepts && (await method.accepts({ challenge }))
  if (reason !== undefined) {
    trial.detail = reason
    return undefined
  }
  trial.code = 'price-unreadable'
  const price = method.price ? method.price(challenge.request) : priceOf(challenge.request)
  const { amount, decimals } = (trial.price = price)
  return amount >= 0n && decimals >= 0 && typeof amount === 'bigint' ? price : undefined
}

/** The charge draft's fields. A number has one spelling: digits alone. */
function priceOf({ amount, currency }: { amount?: unknown; currency?: unknown }): Method.Price {
  const isWhole = typeof amount === 'string' && /^(0|[1-9]\d{0,77})$/.test(amount)
  return { amount: isWhole ? BigInt(amount) : -1n, currency: `${currency}`, decimals: 0 }
}

/** @see charge draft, Currency Verification and Recipient Verification */
function isPermitted(trial: Trial, price: Method.Price): boolean {
  const { method, occasion } = trial
  const { policy, max } = occasion.rules
  trial.code = 'recipient-refused'
  if (!isListed(policy.recipients, trial.challenge!.request.recipient)) return false
  trial.code = 'currency-refused'
  if (!isListed(policy.currencies, price.currency)) return false
  trial.code = 'policy-missing'
  const key = max && keyOf(max, method, price.currency)
  if (!key && (max || !policy.approve)) {
    trial.detail = `Not paid: set policy.max.${method.name} or policy.approve`
    console.warn(trial.detail)
    return false
  }
  trial.code = 'over-max'
  return !key || scaled(price) <= max!.get(key)!
}

async function ask(trial: Trial, asked: Events['selected']): Promise<boolean> {
  const { approve, approveTimeout = 300_000 } = trial.occasion.rules.policy
  trial.code = 'approval-failed'
  const ms = Math.min(approveTimeout, trial.expires - Date.now())
  const answer = approve!({ ...asked, amount: format(asked.price) })
  const agreed = await within(answer, AbortSignal.timeout(ms))
  trial.code = 'not-approved'
  return agreed === true
}

/** Asking, and making a proof, may have taken long. */
function isTimely(trial: Trial): boolean {
  trial.code = 'expired'
  return !(trial.expires < Date.now() || trial.occasion.call.signal?.aborted)
}

async function pay(trial: Trial, release: () => Promise<void>): Promise<void> {
  const { method, wire, occasion } = trial
  const { client, context, url, call } = occasion
  const given = {
    challenge: trial.challenge!,
    context,
    url,
    release,
    on: call.send && client.events.on,
    // Made when it is looked at: an AbortController costs more than all the rest.
    get signal() {
      return call.signal ?? new AbortController().signal
    },
  }
  trial.code = 'credential-failed'
  let making: Method.Proof | Promise<Method.Proof>
  let proof: Method.Proof
  try {
    starting++
    try {
      making = method.createCredential(given)
    } finally {
      starting--
    }
    proof = await making
  } catch (cause) {
    // A method that throws says that no money moved, unless it says that it cannot tell.
    trial.isMoved = (cause as Error & { code?: unknown })?.code === 'payment-indeterminate'
    throw cause
  }
  const { payload, source, authorization, alternate, answers = wire } = proof
  trial.isMoved = !authorization
  if (!isTimely(trial) && authorization) return
  const write = (form: unknown): string =>
    `Payment ${base64url.encode(JSON.stringify({ challenge: answers, payload: form, source }))}`
  trial.credential = write(payload)
  trial.alternate = alternate && write(alternate)
}

/** How many methods are being called just now: what they fetch before they first wait is not paid for in turn. */
export let starting = 0
