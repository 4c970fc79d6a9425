/**
 * The contract between the core and a rail: what a payment method declares, once for both sides.
 *
 * @module
 */
import type * as Challenge from './Challenge.js'
import type { Emitter } from './client/events.js'
import type * as Errors from './Errors.js'
import type { Outcome, Settled, Unmoved } from './Outcome.js'
import type * as Receipt from './Receipt.js'
import type * as Refund from './Refund.js'
import type { RouteOptions } from './server/route.js'
import type { Store } from './Store.js'

/** Any Standard Schema v1: zod, valibot, arktype, or an object with `~standard`. */
export interface Schema<input = unknown, output = input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => Result<output> | Promise<Result<output>>
    readonly types?: { readonly input: input; readonly output: output } | undefined
  }
}
export type Result<output> =
  | { readonly value: output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: unknown }[] }

// oxlint-disable-next-line typescript/no-explicit-any -- the widest schema, for inference only
type AnySchema = Schema<any, any>
type Input<schema> = schema extends Schema<infer input, infer _> ? input : never
type Output<schema> = schema extends Schema<infer _, infer output> ? output : never
type MaybePromise<value> = value | Promise<value>

/** What a payment request costs, for caps, budgets and prompts. */
export type Price = {
  /** Whole base units. */
  amount: bigint
  /** The draft's `currency` field. */
  currency: string
  /** Decimal places between a base unit and the unit people read; 0 when they are the same. */
  decimals: number
}

/** A payment method: one name, one intent, and the shapes of what travels. */
export type Method<
  name extends string = string,
  intent extends string = string,
  request extends AnySchema = AnySchema,
  payload extends AnySchema = AnySchema,
> = {
  readonly name: name
  readonly intent: intent
  readonly schema: {
    /** The `request` parameter as it travels. A schema that transforms belongs into `toServer`'s `request` hook. */
    readonly request: request
    readonly credential: { readonly payload: payload }
  }
  /** Reads the price out of a request. Left out, `amount` and `currency` of the charge draft are read. */
  readonly price?: ((request: Output<request>) => Price) | undefined
}

export type RequestOf<method extends Method> = Output<method['schema']['request']>
export type PayloadOf<method extends Method> = Output<method['schema']['credential']['payload']>

/**
 * Declares a payment method.
 *
 * @param method - Name (`1*a-z`), intent, and the Standard Schemas of request and payload.
 * @throws TypeError when the name or intent is not what the core draft allows.
 * @example
 * const points = Method.from({
 *   name: 'points',
 *   intent: 'charge',
 *   schema: { request: z.object({ amount: z.string(), currency: z.string() }),
 *             credential: { payload: z.object({ token: z.string() }) } },
 * })
 * @see core draft, Payment Methods
 */
export function from<
  const name extends string,
  const intent extends string,
  request extends AnySchema,
  payload extends AnySchema,
>(method: Method<name, intent, request, payload>): Method<name, intent, request, payload> {
  if (!/^[a-z]+$/.test(method.name))
    throw new TypeError(`Method name "${method.name}" must be lower-case letters a-z only.`)
  if (!/^[A-Za-z0-9-]+$/.test(method.intent))
    throw new TypeError(`Intent "${method.intent}" must be letters, digits and hyphens only.`)
  return Object.freeze({ ...method })
}

// ---- client side

/** A payment method that can pay. */
export type Client<method extends Method = Method, context = unknown> = method & {
  createCredential(parameters: toClient.Parameters<method, context>): MaybePromise<Proof<method>>
  accepts?:
    | ((parameters: { challenge: ChallengeOf<method> }) => MaybePromise<string | undefined>)
    | undefined
}

/** What `createCredential` returns. */
export type Proof<method extends Method = Method> = {
  payload: PayloadOf<method>
  /** Who pays, best as a DID. */
  source?: string | undefined
  /** True when the proof only lets the server take the money. Left out, the money counts as gone, so another rail is never tried. */
  authorization?: boolean | undefined
  /** The same authorization as servers of another version read it: presented once, when the first form is refused for good. */
  alternate?: PayloadOf<method> | undefined
  /** The challenge that it answers, when that is an earlier one of the same request: what was paid already is not paid again. */
  answers?: Challenge.Wire | undefined
}

export type ChallengeOf<method extends Method> = Challenge.Challenge<RequestOf<method>>

/**
 * Gives a method the means to pay.
 *
 * @param options.createCredential - Makes the proof for one challenge; called once a payment, after
 * the policy agreed. Throw to give up: nothing is sent.
 * @param options.accepts - Says why a challenge cannot be paid here (a wallet on another chain, an
 * unknown currency), before any policy question; `undefined` when it can.
 * @example
 * const client = Method.toClient(points, {
 *   async createCredential({ challenge }) {
 *     return { payload: { token: await wallet.spend(challenge.request.amount) } }
 *   },
 * })
 * @see core draft, Credentials
 */
export function toClient<method extends Method, context = unknown>(
  method: method,
  options: toClient.Options<method, context>,
): Client<method, context> {
  return Object.freeze({ ...method, ...options })
}

export declare namespace toClient {
  type Parameters<method extends Method, context = unknown> = {
    challenge: ChallengeOf<method>
    /** What the caller passed as `context` to this fetch. */
    context: context
    /** What is asked for. */
    url: URL
    /** Hears what becomes of this and other challenges (`paid`, `rejected`, `pending`); absent where the caller presents the credential. */
    on?: Emitter['on'] | undefined
    /**
     * Takes the price out of the budgets again, for who does not pay now: an earlier payment, which was counted when it was made,
     * is shown, or still waited for.
     */
    release?: (() => Promise<void>) | undefined
    signal: AbortSignal
  }
  type Options<method extends Method, context = unknown> = {
    createCredential: Client<method, context>['createCredential']
    accepts?: Client<method, context>['accepts']
  }
}

// ---- server side

/** What every server hook is handed: typed, bound to this route, unexpired. */
export type Presented<method extends Method = Method> = {
  challenge: ChallengeOf<method>
  credential: {
    challenge: ChallengeOf<method>
    payload: PayloadOf<method>
    source?: string | undefined
  }
  /** Aborted at the settlement deadline. */
  signal: AbortSignal
  /** The server's store, for what this method must remember itself: budgets, attempts. Its keys are this method's own. */
  store: Store
  /** `'after'` where the money is only to be set aside now: `settle` and `reconcile` say so by `Outcome.authorized`. */
  capture: 'before' | 'after'
}

/** A proof's name for replay protection, with its own life in seconds when it is not for ever. */
export type ReplayKey = string | { key: string; ttl: number }

/** A payment method that can be paid: the form that the core runs. */
export type Server<
  method extends Method = Method,
  options = Input<method['schema']['request']>,
> = method & {
  readonly defaults?: Partial<options & RouteOptions> | undefined
  request?(options: options): RequestOf<method>
  readonly issued?: Issued<method> | undefined
  validate?(presented: Presented<method>): MaybePromise<unknown>
  settle(presented: Presented<method> & { validated: unknown }): MaybePromise<Outcome | Reference>
  replayKey?(presented: Presented<method> & { validated: unknown }): MaybePromise<ReplayKey>
  payer?(presented: Presented<method> & { validated: unknown }): MaybePromise<string | undefined>
  reconcile?(presented: Presented<method> & { attempt: unknown }): MaybePromise<Outcome>
  capture?(presented: Presented<method> & { attempt: unknown }): MaybePromise<Outcome>
  cancel?(presented: Presented<method> & { attempt: unknown }): MaybePromise<Outcome>
  refund?(asked: Refund.Asked): MaybePromise<Refund.Refund | Unmoved>
  readonly grace?: number | undefined
  onRespond?(receipt: Receipt.Receipt, response: Response): Response | void
  readonly problems?: Problems | undefined
  /** True for the one-hook form, whose throw is a refusal and whose hook may be asked again. */
  readonly oneHook?: boolean
  /** Only for types: what a route of this method takes. */
  readonly '~options'?: options
}

/** A server method of any shape, to constrain what lists of methods may hold. */
// oxlint-disable-next-line typescript/no-explicit-any -- options are contravariant in hooks, covariant in defaults
export type AnyServer = Server<any, any>

/** What a route still has to say when the method has defaults. */
export type WithDefaults<options, defaults> = Omit<options, keyof defaults> &
  Partial<Pick<options, keyof defaults & keyof options>>

/** What the one-hook form returns, and short for a settled outcome. */
export type Reference = Omit<Settled, 'status'> & { status?: undefined }

/** What goes wrong before a method is asked, and has a problem type of the method's own draft. */
export type Problems = Readonly<
  Partial<
    Record<
      /** Not to be read, or not by the method's schema. */
      | 'malformed-credential'
      /** Not issued here, or for something else, or used before. */
      | 'invalid-challenge'
      /** Issued here, and over. */
      | 'expired-challenge',
      { type: string; title: string }
    >
  > & {
    /** A credential that settlement refused, shown again while its challenge lives. Left out: the same refusal again. */
    'refused-before'?: Errors.Problem
  }
>

/** How many challenges of a method may wait unpaid, where making one costs the network something. */
export type Bounds = {
  /** Of all clients together, in one process. */
  total: number
  /** Of one client, where `Mpp.create({ client })` names them. */
  perClient: number
  /** Seconds in which a bound that is used up grows back whole. Who pays gets back at once what they used. */
  period: number
  /** Seconds for which a named client is asked the same again, until it answers. */
  reuse: number
}

/** Request fields that are made anew for each challenge (an invoice, a payment hash). */
export type Issued<method extends Method = Method> = {
  /** Dotted paths, such as `methodDetails.invoice`; every other field must equal the route's, and so must one that the route sets. */
  readonly fields: readonly string[]
  /** Makes them. Called for an unpaid request: it must not move money. Failing or late, the rail drops out of the offer. */
  create(parameters: {
    request: RequestOf<method>
    realm: string
    expires: string
    signal: AbortSignal
    store: Store
  }): MaybePromise<Record<string, unknown>>
  /** Left out: as many as are asked for. Beyond, the rail drops out of the offer; alone, it answers 429. */
  readonly bounds?: Bounds | undefined
}

/**
 * Gives a method the means to be paid.
 *
 * The full form has `settle` and `replayKey`, and usually `validate` and `reconcile`. The one-hook
 * form has `verify` alone: it checks and settles, throws to refuse, and may be asked again with the
 * same credential after a crash, so key whatever it charges by `challenge.id`.
 *
 * @param options.request - Turns what a route says (`{ amount: '0.01' }`) into the wire request.
 * @param options.defaults - What routes need not repeat.
 * @param options.issued - Fields made for each challenge.
 * @param options.validate - Judges the proof and changes nothing; returns what `settle` may need, or nothing. Says no by
 * throwing, by `false` or `null`, or by an outcome: rejected, or unsettled when it could not find out.
 * @param options.settle - Moves the money, once. A throw means that nobody knows.
 * @param options.replayKey - Names the proof, so that it pays once whatever the challenge. What gives no name, or one with
 * no time to live, is a fault of the method: 503, and nothing is settled.
 * @param options.broadcast - Another name of `settle`, which may do without `replayKey`: the proof's name is then a hash of
 * its payload, so that two spellings of one proof count as two.
 * @param options.payer - Who provably pays (never the unproven `source`); lets an `Idempotency-Key`
 * work with a new credential of the same payer.
 * @param options.grace - Seconds for which a payment made in time may come late.
 * @param options.problems - Problem types of the method's own draft, for what core refuses.
 * @param options.reconcile - Finds out what became of an indeterminate settlement.
 * @param options.capture - Takes money that `settle` set aside. It may be asked again after a crash or a lost answer, and then
 * tells what became of it.
 * @param options.cancel - Lets go of it: rejected when the proof is of no use any more, unsettled when it is as good as before,
 * settled when the money has been taken already.
 * @param options.refund - Gives money back. It may be asked again, by the same `id`, and then makes no second refund.
 * @throws TypeError when neither `verify` nor `settle` is given, `settle` without `replayKey`, or one of `capture` and
 * `cancel` without the other.
 * @example
 * const server = Method.toServer(points, {
 *   async verify({ credential, challenge }) {
 *     return { reference: await bank.take(credential.payload.token, challenge.request.amount) }
 *   },
 * })
 * @see charge draft, Verification
 */
export function toServer<
  method extends Method,
  options = Input<method['schema']['request']>,
  validated = unknown,
  const defaults extends Partial<options & RouteOptions> = {},
>(
  method: method,
  options: toServer.Options<method, options, validated> & { defaults?: defaults | undefined },
): Server<method, WithDefaults<options, defaults>> {
  const { verify, settle, broadcast, transformRequest, request, ...rest } = options
  const act = verify ?? settle ?? broadcast
  if (!act)
    throw new TypeError(
      `Method "${method.name}" cannot be paid: give toServer \`verify\`, or \`settle\` with \`replayKey\`.`,
    )
  if (settle && !verify && !options.replayKey)
    throw new TypeError(
      `Method "${method.name}" has \`settle\` without \`replayKey\`: without the proof's name one payment could buy twice.`,
    )
  if (!options.capture !== !options.cancel)
    throw new TypeError(
      `Method "${method.name}" must have both \`capture\` and \`cancel\`, or neither: money that is set aside is taken or let go.`,
    )
  const wire =
    request ??
    (transformRequest && ((given: options) => transformRequest(given as RequestOf<method>, given)))
  return Object.freeze({
    ...method,
    ...rest,
    ...(wire && { request: wire }),
    settle: act,
    oneHook: verify !== undefined,
  }) as unknown as Server<method, WithDefaults<options, defaults>>
}

export declare namespace toServer {
  type Options<method extends Method, options, validated> = {
    request?: ((options: options) => RequestOf<method>) | undefined
    issued?: Issued<method> | undefined
    validate?:
      | ((presented: Presented<method>) => MaybePromise<validated | Unmoved | false | null>)
      | undefined
    settle?:
      | ((
          presented: Presented<method> & { validated: Awaited<validated> },
        ) => MaybePromise<Outcome | Reference>)
      | undefined
    replayKey?:
      | ((
          presented: Presented<method> & { validated: Awaited<validated> },
        ) => MaybePromise<ReplayKey>)
      | undefined
    payer?:
      | ((
          presented: Presented<method> & { validated: Awaited<validated> },
        ) => MaybePromise<string | undefined>)
      | undefined
    reconcile?:
      | ((presented: Presented<method> & { attempt: unknown }) => MaybePromise<Outcome>)
      | undefined
    capture?:
      | ((presented: Presented<method> & { attempt: unknown }) => MaybePromise<Outcome>)
      | undefined
    cancel?:
      | ((presented: Presented<method> & { attempt: unknown }) => MaybePromise<Outcome>)
      | undefined
    refund?: ((asked: Refund.Asked) => MaybePromise<Refund.Refund | Unmoved>) | undefined
    /**
     * Seconds after a challenge's end within which its proofs are still judged, for methods whose payers pay before they ask
     * again (0). The method itself refuses what was paid too late.
     */
    grace?: number | undefined
    problems?: Problems | undefined
    /** The one-hook form. */
    verify?: ((presented: Presented<method>) => MaybePromise<Reference | Outcome>) | undefined
    /** Another name of `settle`, as the field's guides write it; there without a `replayKey`. */
    broadcast?: toServer.Options<method, options, validated>['settle']
    /** Another name of `request`, as the field's guides write it. */
    transformRequest?:
      | ((request: RequestOf<method>, options: options) => RequestOf<method>)
      | undefined
    /** Last look at a paid response; may return another, at once. The payer has paid: a throw is for the operator's events alone. */
    onRespond?: ((receipt: Receipt.Receipt, response: Response) => Response | void) | undefined
  }
}
