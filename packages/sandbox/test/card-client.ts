/**
 * Calls of a local card network, by hand.
 *
 * @module
 */
import type { LocalCards } from '@polyrail/sandbox/card'

export type Said = { status: number; body: Record<string, unknown> }

/** Asks an endpoint with the key of who may. */
export async function call(
  { url, apiKey }: LocalCards.Access,
  path: string,
  { body, key, method = 'POST' }: { body?: unknown; key?: string; method?: string } = {},
): Promise<Said> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(key !== undefined && { 'idempotency-key': key }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? {} : JSON.parse(text) }
}

/** An order for 500 cents, with a token of its own. */
export function order(
  local: LocalCards.Sandbox,
  more: Partial<LocalCards.IssueOptions> & { order?: object } = {},
) {
  const { order: changes, ...options } = more
  return {
    amount: '500',
    currency: 'usd',
    merchantName: 'Shop',
    acceptedNetworks: ['visa', 'mastercard', 'amex', 'discover'],
    kid: local.key.kid,
    payload: local.issue({ amount: '500', ...options }),
    ...changes,
  }
}

export const charge = (local: LocalCards.Sandbox, body: unknown, key = crypto.randomUUID()) =>
  call(local.acquirer, '/charges', { body, key })

export const look = (local: LocalCards.Sandbox, key: string) =>
  call(local.acquirer, `/charges/${key}`, { method: 'GET' })
