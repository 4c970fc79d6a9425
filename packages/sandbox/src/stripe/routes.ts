/**
 * The endpoints, each by the name that faults call it.
 *
 * @module
 */
import {
  retrieveAccount,
  retrieveBalance,
  retrieveCharge,
  retrieveConnected,
  retrieveEntry,
  retrieveMethod,
} from './account.js'
import type { Endpoint } from './call.js'
import { listCharges, listEntries, listPayments, listRefunds, searchPayments } from './lists.js'
import {
  cancelPayment,
  capturePayment,
  confirmPayment,
  createPayment,
  retrievePayment,
  updatePayment,
} from './payments.js'
import { createRefund, retrieveRefund } from './refunds.js'
import {
  grantTestToken,
  issueToken,
  retrieveGranted,
  retrieveIssued,
  revokeGranted,
  revokeIssued,
} from './tokens.js'

/** Endpoints of Shared Payment Tokens, which only previews of the API have. */
const previewEndpoints = {
  'GET /v1/shared_payment/granted_tokens/:id': retrieveGranted,
  'GET /v1/shared_payment/issued_tokens/:id': retrieveIssued,
  'POST /v1/shared_payment/issued_tokens': issueToken,
  'POST /v1/shared_payment/issued_tokens/:id/revoke': revokeIssued,
  'POST /v1/test_helpers/shared_payment/granted_tokens': grantTestToken,
  'POST /v1/test_helpers/shared_payment/granted_tokens/:id/revoke': revokeGranted,
} satisfies Record<string, Endpoint>

const endpoints = {
  'GET /v1/account': retrieveAccount,
  'GET /v1/accounts/:id': retrieveConnected,
  'GET /v1/balance': retrieveBalance,
  'GET /v1/balance_transactions': listEntries,
  'GET /v1/balance_transactions/:id': retrieveEntry,
  'GET /v1/charges': listCharges,
  'GET /v1/charges/:id': retrieveCharge,
  'GET /v1/payment_intents': listPayments,
  'GET /v1/payment_intents/search': searchPayments,
  'GET /v1/payment_intents/:id': retrievePayment,
  'GET /v1/payment_methods/:id': retrieveMethod,
  'GET /v1/refunds': listRefunds,
  'GET /v1/refunds/:id': retrieveRefund,
  'POST /v1/payment_intents': createPayment,
  'POST /v1/payment_intents/:id': updatePayment,
  'POST /v1/payment_intents/:id/cancel': cancelPayment,
  'POST /v1/payment_intents/:id/capture': capturePayment,
  'POST /v1/payment_intents/:id/confirm': confirmPayment,
  'POST /v1/refunds': createRefund,
} satisfies Record<string, Endpoint>

/** The calls, as faults name them. */
export type StripeCall = keyof typeof endpoints | keyof typeof previewEndpoints

/** An endpoint that was found, and the id in its path. */
export type Route = { call: StripeCall; endpoint: Endpoint; id: string }

const stable = Object.entries(endpoints).map(toRoute)
const preview = [...stable, ...Object.entries(previewEndpoints).map(toRoute)]

/** Finds the endpoint of a path, among those that the version of the API has. */
export function findRoute(method: string, path: string, isPreview: boolean): Route | undefined {
  for (const { call, endpoint, pattern } of isPreview ? preview : stable) {
    const match = pattern.exec(`${method} ${path}`)
    if (match) return { call, endpoint, id: match[1] ?? '' }
  }
  return undefined
}

function toRoute([call, endpoint]: [string, Endpoint]) {
  return {
    call: call as StripeCall,
    endpoint,
    pattern: new RegExp(`^${call.replace(':id', '([^/]+)')}$`),
  }
}
