/**
 * Makes the challenges of a 402: every rail's in parallel, the failing ones left out.
 *
 * @module
 */
import * as AcceptPayment from '../AcceptPayment.js'
import * as BodyDigest from '../BodyDigest.js'
import * as Challenge from '../Challenge.js'
import * as ChallengeId from '../ChallengeId.js'
import * as Errors from '../Errors.js'
import * as PaymentRequest from '../PaymentRequest.js'
import * as base64url from '#base64url'
import { issueBounded } from './bounds.js'
import { runWithDeadline } from './deadline.js'
import { checkIssued, lifeOf, withIssued, type Offer } from './route.js'
import { scopeOf } from './scope.js'
import type { Refusal } from './steps/receive.js'
import { refusalOf } from './steps/fault.js'
import { MethodStore } from './store.js'
import type { Inbound } from './transport.js'

/** A challenge ready to send. */
export type Issued = { id: string; header: string; offer: Offer }

/** What is offered; and where that is nothing, why, if a rail said so. */
export type Issuing = { challenges: Issued[]; refusal: Refusal | undefined }

/**
 * Issues a fresh challenge for every offer that the visitor accepts.
 *
 * @param body - The request body that the challenge is bound to.
 * @returns The challenges in order of preference; none when no rail could make one.
 * @see core draft, Challenge and Client Payment Preferences
 */
export function issue(
  offers: readonly Offer[],
  inbound: Inbound,
  body: Uint8Array | undefined,
): Issuing | Promise<Issuing> {
  const visit: Visit = {
    inbound,
    digest: body && BodyDigest.create(body),
    nonce: createNonce(),
    refusal: undefined,
  }
  const issued: (Issued | Promise<Issued | undefined>)[] = []
  let pending = false
  for (const offer of rank(offers, inbound.header('accept-payment'))) {
    const made = offer.method.issued ? issueWithFields(offer, visit) : create(offer, visit)
    pending ||= made instanceof Promise
    issued.push(made)
  }
  return pending
    ? gather(issued, visit)
    : { challenges: issued as Issued[], refusal: visit.refusal }
}

async function gather(
  issuing: readonly (Issued | Promise<Issued | undefined>)[],
  visit: Visit,
): Promise<Issuing> {
  const made = await Promise.all(issuing)
  const challenges = made.filter((challenge) => challenge !== undefined)
  return { challenges, refusal: visit.refusal }
}

/** What the challenges of one 402 have in common. */
export type Visit = {
  inbound: Inbound
  digest: string | undefined
  nonce: string
  /** What the first rail that refused to make an offer said. */
  refusal: Refusal | undefined
}

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
  const make = () => issueFresh(offer, visit)
  try {
    return await (method.issued?.bounds ? issueBounded(offer, visit, make) : make())
  } catch (cause) {
    if (Errors.isPaymentError(cause)) visit.refusal ??= refusalOf(cause, method)
    kernel.events.emit('offer-failed', () => ({
      method: visit.inbound.method,
      url: visit.inbound.url,
      rail: `${method.name}/${method.intent}`,
      cause,
    }))
    return undefined
  }
}

async function issueFresh(offer: Offer, visit: Visit): Promise<Issued> {
  const { kernel, method } = offer
  const expires = expiryOf(offer)
  const fields = await runWithDeadline(kernel.deadlines.offer, (signal) =>
    method.issued?.create({
      request: offer.request,
      realm: kernel.realm,
      expires,
      signal,
      store: new MethodStore(kernel.store, method.name),
    }),
  )
  const request = PaymentRequest.serialize(withIssued(offer.request, checkIssued(offer, fields)))
  return create(offer, visit, { request, expires })
}

function create(
  offer: Offer,
  visit: Visit,
  { request, expires } = { request: offer.encoded, expires: expiryOf(offer) },
): Issued {
  const { kernel, method, options, head } = offer
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
function expiryOf(offer: Offer): string {
  const life = lifeOf(offer)
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
