/**
 * Shared Payment Tokens: issued by agents, granted to sellers, used up to their limit.
 *
 * @module
 */
import type { Call } from './call.js'
import { readCurrency, readPositive } from './currencies.js'
import { newId } from './identifiers.js'
import { readMetadata } from './metadata.js'
import { showBillingDetails, showCard } from './methods.js'
import type { Parameters } from './parameters.js'
import { invalid, missing, unknownId } from './refusal.js'
import {
  type DeactivatedReason,
  findMethod,
  type Payment,
  type Token,
  type World,
} from './world.js'

/** What a token allows. */
export type Grant = Pick<
  Token,
  | 'currency'
  | 'expiresAt'
  | 'externalId'
  | 'issuer'
  | 'maxAmount'
  | 'method'
  | 'methodId'
  | 'seller'
> &
  Partial<Pick<Token, 'metadata' | 'returnUrl'>>

/** Makes a token. */
export function addToken(world: World, grant: Grant): Token {
  const token: Token = {
    metadata: {},
    returnUrl: undefined,
    ...grant,
    id: newId('token'),
    created: world.now(),
    captured: 0n,
    spent: 0n,
    deactivated: undefined,
  }
  world.tokens.set(token.id, token)
  return token
}

/** Ends a token, unless it has ended. */
export function deactivate(world: World, token: Token, reason: DeactivatedReason): void {
  token.deactivated ??= { at: world.now(), reason }
}

/** Takes of a token's limit, and ends it when nothing is left: Stripe says of such that they are consumed. */
export function spend(world: World, token: Token, amount: bigint): void {
  token.spent += amount
  if (token.spent >= token.maxAmount) deactivate(world, token, 'consumed')
}

/** A token as it is now: one whose time is over is deactivated when somebody looks. */
export function look(world: World, token: Token): Token {
  const { expiresAt } = token
  if (expiresAt !== undefined && expiresAt <= world.now()) deactivate(world, token, 'expired')
  return token
}

/** Whether a token is for the one who calls, or for whom they act. */
function isFor(token: Token, { caller, account }: Pick<Call, 'account' | 'caller'>): boolean {
  return token.seller === account.networkId || token.seller === caller.networkId
}

/**
 * Finds a token for a payment, and checks its limits.
 *
 * @throws Refusal when it is unknown to this seller, has ended, or does not allow the payment.
 */
export function usableToken(
  call: Pick<Call, 'account' | 'caller' | 'world'>,
  id: string,
  payment: Pick<Payment, 'amount' | 'currency'> & { param: string },
): Token {
  const { world } = call
  const token = world.tokens.get(id)
  if (token === undefined || !isFor(token, call)) {
    throw unknownId('shared_payment_token', id, { param: payment.param, status: 400 })
  }
  checkLimits(world, token, payment)
  return token
}

/** @throws Refusal, without a code, as Stripe's are. */
export function checkLimits(
  world: World,
  token: Token,
  { amount, currency }: Pick<Payment, 'amount' | 'currency'>,
): void {
  if (look(world, token).deactivated) {
    throw spent(
      'The shared payment granted token cannot be used because it is already in a deactivated state.',
    )
  }
  if (currency !== token.currency) {
    throw spent(
      `The currency ${currency} is not that of the shared payment granted token, ${token.currency}.`,
    )
  }
  if (amount > token.maxAmount - token.spent) {
    throw spent(
      'The requested amount is greater than the remaining amount capturable with this shared payment granted token.',
    )
  }
}

function spent(words: string) {
  return invalid(words, { executed: true })
}

/** `POST /v1/shared_payment/issued_tokens`, by the agent. */
export function issueToken(call: Call): object {
  const { world, caller, parameters } = call
  const terms = readTerms(call)
  const seller = terms.seller ?? refuseMissing(parameters.name('seller_details'))
  const known = [...world.accounts.values()].some(({ networkId }) => networkId === seller)
  const param = 'seller_details[network_business_profile]'
  if (!known) throw unknownId('network business profile', seller, { param, status: 400 })
  const returnUrl = parameters.text('return_url')
  parameters.end()
  return showIssued(world, addToken(world, { ...terms, seller, issuer: caller, returnUrl }))
}

/** `POST /v1/test_helpers/shared_payment/granted_tokens`: the seller plays the agent. */
export function grantTestToken(call: Call): object {
  const { world, account, parameters } = call
  const terms = readTerms(call)
  const seller =
    terms.seller === undefined || terms.seller === 'internal' ? account.networkId : terms.seller
  parameters.end()
  return showGranted(world, addToken(world, { ...terms, seller, issuer: undefined }))
}

function readTerms(call: Call): Omit<Grant, 'issuer' | 'seller'> & { seller: string | undefined } {
  const { world, account, parameters } = call
  const methodId = parameters.textNeeded('payment_method')
  const limits = parameters.group('usage_limits') ?? refuseMissing('usage_limits')
  const currency = readCurrency(limits)
  const maxAmount = readPositive(limits, 'max_amount') ?? refuseMissing(limits.name('max_amount'))
  const expiresAt = limits.integer('expires_at')
  if (expiresAt !== undefined && expiresAt <= world.now()) {
    throw limits.refuse('expires_at', 'The time of expiry must be in the future.')
  }
  const seller = parameters.group('seller_details')
  const method = findMethod(world, account, methodId)
  const param = 'payment_method'
  if (method === undefined) throw unknownId('PaymentMethod', methodId, { param, status: 400 })
  return {
    seller: seller && readSeller(seller),
    externalId: seller?.text('external_id'),
    method,
    methodId,
    currency,
    maxAmount,
    expiresAt: expiresAt === undefined ? undefined : Number(expiresAt),
    metadata: readMetadata(parameters, 'shared_metadata') ?? {},
  }
}

/** The seller's profile, by its name in any of the versions: the newest, the older one, the draft's. */
function readSeller(details: Parameters): string | undefined {
  const names = ['network_business_profile', 'network_id', 'networkId']
  return names.map((name) => details.text(name)).find((text) => text !== undefined)
}

function refuseMissing(name: string): never {
  throw missing(name)
}

/** `GET /v1/shared_payment/issued_tokens/:id` */
export function retrieveIssued(call: Call): object {
  call.parameters.end()
  return showIssued(call.world, expectIssued(call))
}

/** `POST /v1/shared_payment/issued_tokens/:id/revoke` */
export function revokeIssued(call: Call): object {
  call.parameters.end()
  return showIssued(call.world, revoke(call, expectIssued(call)))
}

/** `GET /v1/shared_payment/granted_tokens/:id` */
export function retrieveGranted(call: Call): object {
  call.parameters.end()
  return showGranted(call.world, expectGranted(call))
}

/** `POST /v1/test_helpers/shared_payment/granted_tokens/:id/revoke` */
export function revokeGranted(call: Call): object {
  call.parameters.end()
  return showGranted(call.world, revoke(call, expectGranted(call)))
}

function revoke({ world }: Call, token: Token): Token {
  if (look(world, token).deactivated) {
    throw invalid('A token that is deactivated cannot be revoked.', { executed: true })
  }
  deactivate(world, token, 'revoked')
  return token
}

function expectIssued(call: Call): Token {
  return expect(call, ({ issuer }) => issuer === call.caller)
}

function expectGranted(call: Call): Token {
  return expect(call, (token) => isFor(token, call))
}

function expect({ world, id }: Call, mayBeSeen: (token: Token) => boolean): Token {
  const token = world.tokens.get(id)
  if (token !== undefined && mayBeSeen(token)) return token
  throw unknownId('shared_payment_token', id, { param: 'id', status: 404 })
}

function showLimits(world: World, token: Token) {
  const { deactivated, currency } = look(world, token)
  return {
    created: token.created,
    deactivated_at: deactivated?.at ?? null,
    deactivated_reason: deactivated?.reason ?? null,
    livemode: false,
    risk_details: null,
    shared_metadata: token.metadata,
    usage_details: { amount_captured: { currency, value: Number(token.captured) } },
    usage_limits: {
      currency,
      expires_at: token.expiresAt ?? null,
      max_amount: Number(token.maxAmount),
    },
  }
}

/** A token as its issuer sees it. */
function showIssued(world: World, token: Token): object {
  return {
    id: token.id,
    object: 'shared_payment.issued_token',
    ...showLimits(world, token),
    next_action: null,
    payment_method: token.methodId,
    return_url: token.returnUrl ?? null,
    seller_details: {
      external_id: token.externalId ?? null,
      network_business_profile: token.seller,
    },
    setup_future_usage: null,
    status: token.deactivated ? 'deactivated' : 'active',
  }
}

/** A token as its seller sees it. */
function showGranted(world: World, token: Token): object {
  const { type } = token.method
  return {
    id: token.id,
    object: 'shared_payment.granted_token',
    agent_details: { network_business_profile: token.issuer?.networkId ?? null },
    ...showLimits(world, token),
    payment_method_details: {
      billing_details: showBillingDetails(),
      [type]: showCard(token.method),
      type,
    },
  }
}
