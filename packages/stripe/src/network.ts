/**
 * What this rail asks Stripe, and all that it asks. A test replaces it whole.
 *
 * @module
 */
import { API_VERSION } from './constants.js'

/** A PaymentIntent, as far as it is looked at. */
export type Intent = {
  id: string
  status: string
  /** Smallest units. */
  amount: number
  currency: string
  metadata?: Readonly<Record<string, string>> | null
  /** Smallest units that were captured. */
  amount_received?: number
  application_fee_amount?: number | null
  transfer_data?: unknown
}

/** A refund, as far as it is looked at. */
export type Refunded = {
  id: string
  /** Smallest units. */
  amount: number
  status: string | null
  metadata?: Readonly<Record<string, string>> | null
}

/** A token as its seller sees it. */
export type Granted = {
  deactivated_reason?: string | null
  usage_limits?: {
    currency: string
    /** Smallest units. */
    max_amount: number
    /** Epoch seconds. */
    expires_at?: number | null
  } | null
}

/** What is asked of each call beside its parameters. */
export type Asking = { idempotencyKey?: string | undefined; stripeAccount?: string | undefined }

export type Network = {
  /** Creates and confirms a PaymentIntent. */
  create(parameters: Parameters, asking: Asking): Promise<Intent>
  retrieve(id: string, asking: Asking): Promise<Intent>
  capture(id: string, asking: Asking): Promise<Intent>
  cancel(id: string, asking: Asking): Promise<Intent>
  refund(parameters: object, asking: Asking): Promise<Refunded>
  /** All refunds of a PaymentIntent. */
  refunds(intent: string, asking: Asking): Promise<readonly Refunded[]>
  /** Finds the PaymentIntent of an attempt, by its metadata. */
  find(attempt: string, asking: Asking): Promise<Intent | undefined>
  token(spt: string, asking: Asking): Promise<Granted>
}

export type Parameters = { amount: number; currency: string; [name: string]: unknown }

/** The part of the package `stripe` that is used: what `new Stripe(key)` makes. */
export interface Client {
  readonly paymentIntents: {
    create(parameters: Parameters, options?: object): Promise<Intent>
    retrieve(id: string, parameters?: object, options?: object): Promise<Intent>
    capture(id: string, parameters?: object, options?: object): Promise<Intent>
    cancel(id: string, parameters?: object, options?: object): Promise<Intent>
    search(
      parameters: { query: string },
      options?: object,
    ): PromiseLike<{ data: readonly Intent[] }>
  }
  readonly refunds: {
    create(parameters: object, options?: object): Promise<Refunded>
    list(
      parameters: { payment_intent: string; limit: number; starting_after?: string },
      options?: object,
    ): PromiseLike<{ data: readonly Refunded[]; has_more: boolean }>
  }
  rawRequest(method: string, path: string, parameters?: object, options?: object): Promise<unknown>
}

export type Location = {
  /** `new Stripe(secretKey)` of the package `stripe`, or the key itself: a secret. */
  client: Client | string
  /** Stripe's version of the calls that know Shared Payment Tokens. */
  apiVersion?: string | undefined
  /** Milliseconds for one call (20,000): less than the server's `deadlines.settle`. */
  timeout?: number | undefined
}

/**
 * Connects to Stripe.
 *
 * @throws TypeError when `client` is neither a client nor a secret key.
 */
export function connect({ client, apiVersion = API_VERSION, timeout = 20_000 }: Location): Network {
  const load = typeof client === 'string' ? fromKey(client) : given(client)
  // Stripe is asked again by us, when it is known what for.
  const withOptions = (asking: Asking) => ({
    apiVersion,
    timeout,
    maxNetworkRetries: 0,
    ...defined(asking),
  })
  const intents = async () => (await load()).paymentIntents
  return {
    create: async (parameters, asking) => (await intents()).create(parameters, withOptions(asking)),
    retrieve: async (id, asking) => (await intents()).retrieve(id, {}, withOptions(asking)),
    capture: async (id, asking) => (await intents()).capture(id, {}, withOptions(asking)),
    cancel: async (id, asking) => (await intents()).cancel(id, {}, withOptions(asking)),
    refund: async (parameters, asking) =>
      (await load()).refunds.create(parameters, withOptions(asking)),
    refunds: async (intent, asking) => listRefunds(await load(), intent, withOptions(asking)),
    async find(attempt, asking) {
      const query = `metadata['mpp_attempt']:'${attempt}'`
      const { data } = await (await intents()).search({ query }, withOptions(asking))
      return data[0]
    },
    async token(spt, asking) {
      const path = `/v1/shared_payment/granted_tokens/${encodeURIComponent(spt)}`
      return (await (
        await load()
      ).rawRequest('GET', path, undefined, withOptions(asking))) as Granted
    },
  }
}

async function listRefunds(
  { refunds }: Client,
  intent: string,
  options: object,
): Promise<readonly Refunded[]> {
  const all: Refunded[] = []
  for (;;) {
    const after = all.at(-1)?.id
    const parameters = {
      payment_intent: intent,
      limit: 100,
      ...(after && { starting_after: after }),
    }
    const page = await refunds.list(parameters, options)
    all.push(...page.data)
    // A page without any would be asked for again and again.
    if (!page.has_more || page.data.length === 0) return all
  }
}

const defined = (asking: Asking): object =>
  Object.fromEntries(Object.entries(asking).filter(([, value]) => value !== undefined))

function fromKey(key: string): () => Promise<Client> {
  if (!/^(?:sk|rk)_\w+$/.test(key))
    throw new TypeError(
      'stripe/charge: client must be new Stripe(secretKey), or a secret key that begins with sk_ or rk_.',
    )
  let client: Promise<Client> | undefined
  return () => (client ??= import('stripe').then(({ default: Stripe }) => new Stripe(key)))
}

function given(client: Client): () => Promise<Client> {
  if (typeof client?.paymentIntents?.create !== 'function')
    throw new TypeError(
      'stripe/charge: client must be new Stripe(secretKey) of the package stripe.',
    )
  return async () => client
}
