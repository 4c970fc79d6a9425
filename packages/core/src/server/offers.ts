/**
 * Makes the challenges of a 402: every rail's in parallel, the failing ones left out.
 *
 * @module
 */
import * as AcceptPayment from '../AcceptPayment.js'
import * as BodyDigest from '../BodyDigest.js'
import * as Challenge from '../Challenge.js'
import * as ChallengeId from '../ChallengeId.js'
import * as PaymentRequest from '../PaymentRequest.js'
import { sha256 } from '#sha256'
import * as base64url from '#base64url'
import { runWithDeadline } from './deadline.js'
import { checkIssued, withIssued, type Offer } from './route.js'
import { MethodStore } from './store.js'
import type { Inbound } from './transport.js'

/** A challenge ready to send. */
export type Issued = { id: string; header: string; offer: Offer }

/**
 * Issues a fresh challenge for every offer that the visitor accepts.
 *
 * @param body - The request body that the challenge is bound to.
 * @returns The challenges in order of preference; empty when no rail could make one.
 * @see core draft, Challenge and Client Payment Preferences
 */
export function issue(
  offers: readonly Offer[],
  inbound: Inbound,
  body: Uint8Array | undefined,
): Issued[] | Promise<Issued[]> {
  const visit: Visit = { inbound, digest: body && BodyDigest.create(body), nonce: createNonce() }
  const issued: (Issued | Promise<Issued | undefined>)[] = []
  let pending = false
  for (const offer of rank(offers, inbound.header('accept-payment'))) {
    const made = offer.method.issued ? issueWithFields(offer, visit) : create(offer, visit)
    pending ||= made instanceof Promise
    issued.push(made)
  }
  return pending ? gather(issued) : (issued as Issued[])
}

const gather = async (
  issuing: readonly (Issued | Promise<Issued | undefined>)[],
): Promise<Issued[]> => (await Promise.all(issuing)).filter((challenge) => challenge !== undefined)

/** What the challenges of one 402 have in common. */
type Visit = { inbound: Inbound; digest: string | undefined; nonce: string }

const rank = (offers: readonly Offer[], header: string | null): readonly Offer[] =>
  header === null
    ? offers
    : AcceptPayment.rank(
        offers.map((offer) => ({
          method: offer.method.name,
          intent: offer.method.intent,
          offer,
        })),
        header,
      ).map(({ offer }) => offer)

/** A rail that asks its network first; late or failing, it drops out. */
async function issueWithFields(offer: Offer, visit: Visit): Promise<Issued | undefined> {
  const { kernel, method } = offer
  try {
    const fields = await runWithDeadline(kernel.deadlines.offer, (signal) =>
      method.issued?.create({
        request: offer.request,
        realm: kernel.realm,
        expires: expiryOf(offer),
        signal,
        store: new MethodStore(kernel.store, method.name),
      }),
    )
    const request = PaymentRequest.serialize(withIssued(offer.request, checkIssued(offer, fields)))
    return create(offer, visit, request)
  } catch (cause) {
    kernel.events.emit('offer-failed', () => ({
      method: visit.inbound.method,
      url: visit.inbound.url,
      rail: `${method.name}/${method.intent}`,
      cause,
    }))
    return undefined
  }
}

function create(offer: Offer, visit: Visit, request = offer.encoded): Issued {
  const { kernel, method, options, head } = offer
  const expires = expiryOf(offer)
  const opaque = createOpaque(offer, visit)
  const digest = options.bind?.body === false ? undefined : visit.digest
  const slots: ChallengeId.Slots = {
    realm: kernel.realm,
    method: method.name,
    intent: method.intent,
    request,
    expires,
    opaque,
  }
  if (digest !== undefined) slots.digest = digest
  const id = ChallengeId.create(slots, kernel.keyring)
  const shown =
    describe(offer, visit.inbound) + (digest === undefined ? '' : `, digest="${digest}"`)
  return {
    id,
    offer,
    header: `Payment id="${id}", ${head}${request}"${shown}, expires="${expires}", opaque="${opaque}"`,
  }
}

/** Only our own, header-safe texts need no canonicalization: they are written in order. */
function createOpaque(offer: Offer, { inbound, nonce }: Visit): string {
  const { meta, bind } = offer.options
  const scope = bind?.scope === false ? undefined : scopeOf(offer, inbound)
  if (meta || scope === undefined) return PaymentRequest.serialize({ ...meta, nonce, scope })
  return base64url.encode(`{"nonce":"${nonce}","scope":"${scope}"}`)
}

function describe({ options, kernel }: Offer, inbound: Inbound): string {
  const { description } = options
  if (description === undefined) return ''
  try {
    const text =
      typeof description === 'function'
        ? description({ acceptLanguage: inbound.header('accept-language') })
        : description
    return `, description="${Challenge.quote(text)}"`
  } catch (cause) {
    kernel.events.emit('error', () => ({ method: inbound.method, url: inbound.url, cause }))
    return ''
  }
}

let noncePrefix = ''
let nonceCount = 0

/** Unique, not secret: two visitors in one millisecond must not get one challenge. */
function createNonce(): string {
  noncePrefix ||= base64url.encode(crypto.getRandomValues(new Uint8Array(9)))
  return noncePrefix + (nonceCount++).toString(36)
}

let expirySecond = 0
const expiryTexts = new Map<number, string>()

/** RFC 3339, whole seconds, formatted once a second. */
function expiryOf({ kernel, options }: Offer): string {
  const life = options.expires ?? kernel.expires
  const second = Math.floor(Date.now() / 1000)
  if (second !== expirySecond) expiryTexts.clear()
  expirySecond = second
  let text = expiryTexts.get(life)
  if (text === undefined) {
    text = `${new Date((second + life) * 1000).toISOString().slice(0, 19)}Z`
    expiryTexts.set(life, text)
  }
  return text
}

const scopes = new Map<string, string>()
const MOST_SCOPES = 2000

/**
 * The route that a payment is for: origin, HTTP method and route pattern (or the path as it came),
 * as a short hash, so that long paths cost no header space.
 */
export function scopeOf({ options }: Offer, inbound: Inbound): string {
  const route = options.scope ?? inbound.scope
  const place =
    route === undefined ? withoutQuery(inbound.url) : `${originOf(inbound.url)} ${route}`
  const key = `${inbound.method} ${place}`
  const known = scopes.get(key)
  if (known !== undefined) return known
  const scope = base64url.encode(sha256(new TextEncoder().encode(key)).subarray(0, 15))
  if (scopes.size >= MOST_SCOPES) scopes.clear()
  scopes.set(key, scope)
  return scope
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

function originOf(url: string): string {
  const end = url.indexOf('/', url.indexOf('://') + 3)
  return end < 0 ? url : url.slice(0, end)
}
