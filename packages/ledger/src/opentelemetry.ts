/**
 * Spans and metrics of payments, over OpenTelemetry's API: whatever SDK is registered gets them.
 *
 * @module
 */
import {
  context,
  metrics,
  SpanStatusCode,
  trace,
  type Attributes,
  type Meter,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import type { Challenge, Method } from '@polyrail/core'
import type { Mpp } from '@polyrail/core/server'

const NAME = '@polyrail/ledger'

/**
 * Observes a server: a span for each visit that pays, with what it was made of, and counts of all that happens. What went
 * wrong inside is in the spans as an exception; visitors never see it.
 *
 * @param mpp - What `Mpp.create` returned.
 * @param options.tracer - Left out: of the registered provider.
 * @param options.meter - Left out: of the registered provider.
 * @returns How to stop.
 * @example
 * const mpp = Mpp.create({ methods, realm, secretKey, store })
 * observe(mpp)
 */
export function observe(mpp: observe.Server, options: observe.Options = {}): () => void {
  const { tracer = trace.getTracer(NAME), meter = metrics.getMeter(NAME) } = options
  const stops = [...countAll(mpp, meter), ...traceAll(mpp, tracer)]
  return () => {
    for (const stop of stops) stop()
  }
}

export declare namespace observe {
  type Options = { tracer?: Tracer | undefined; meter?: Meter | undefined }
  /** What is used of a server. */
  type Server = Pick<Mpp.Mpp<Method.AnyServer>, 'on'>
}

/** Few values each, so that they may divide metrics: a rail, an outcome, a problem's code. */
const railOf = (challenge: Challenge.Challenge | undefined): Attributes =>
  challenge ? { 'mpp.method': challenge.method, 'mpp.intent': challenge.intent } : {}

function countAll({ on }: observe.Server, meter: Meter): (() => void)[] {
  const count = (name: string, description: string, unit: string) =>
    meter.createCounter(name, { description, unit })
  const challenges = count('mpp.challenges', 'Challenges sent', '{challenge}')
  const payments = count('mpp.payments', 'Credentials that came, by outcome', '{payment}')
  const deliveries = count('mpp.deliveries', 'Answers to who has paid', '{answer}')
  const amount = count('mpp.amount', 'Money settled, in units of its currency', '{unit}')
  const refunds = count('mpp.refunds', 'Refunds made', '{refund}')
  const failures = count('mpp.failures', 'What failed on our side', '{failure}')
  const duration = meter.createHistogram('mpp.settlement.duration', {
    description: 'From the claim to the outcome',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
  })
  const claimed = new WeakMap<Challenge.Challenge, number>()

  function end(challenge: Challenge.Challenge | undefined, attributes: Attributes): void {
    const all = { ...railOf(challenge), ...attributes }
    payments.add(1, all)
    const began = challenge && claimed.get(challenge)
    if (began === undefined) return
    duration.record((performance.now() - began) / 1000, all)
    claimed.delete(challenge as Challenge.Challenge)
  }
  function take(challenge: Challenge.Challenge, price: Method.Price | undefined): void {
    end(challenge, { 'mpp.outcome': 'settled' })
    if (!price) return
    const value = Number(price.amount) / 10 ** price.decimals
    amount.add(value, { ...railOf(challenge), 'mpp.currency': price.currency })
  }

  return [
    on('challenge', ({ rails }) => {
      for (const rail of rails) {
        const [method = '', intent = ''] = rail.split('/')
        challenges.add(1, { 'mpp.method': method, 'mpp.intent': intent })
      }
    }),
    on('claimed', ({ challenge, isSettled }) => {
      if (!isSettled) claimed.set(challenge, performance.now())
    }),
    on('settled', ({ challenge, price }) => take(challenge, price)),
    on('late', ({ challenge, price }) => take(challenge, price)),
    on('rejected', ({ challenge, problem }) =>
      end(challenge, { 'mpp.outcome': 'rejected', 'error.type': problem.code }),
    ),
    on('indeterminate', ({ challenge }) => end(challenge, { 'mpp.outcome': 'indeterminate' })),
    on('canceled', ({ challenge }) => end(challenge, { 'mpp.outcome': 'canceled' })),
    on('refunded', ({ payment }) => refunds.add(1, { 'mpp.method': payment.method })),
    ...(['delivered', 'owed'] as const).map((outcome) =>
      on(outcome, ({ challenge }) =>
        deliveries.add(1, { ...railOf(challenge), 'mpp.outcome': outcome }),
      ),
    ),
    on('replayed', () => deliveries.add(1, { 'mpp.outcome': 'replayed' })),
    on('offer-failed', ({ rail }) => failures.add(1, { 'error.type': 'offer', 'mpp.rail': rail })),
    on('error', () => failures.add(1, { 'error.type': 'error' })),
  ]
}

/** The spans of one visit. Events of one visit carry the same challenge object; of another with the same credential, another. */
type Spans = { payment: Span; stage: Span | undefined }

function traceAll({ on }: observe.Server, tracer: Tracer): (() => void)[] {
  const open = new WeakMap<Challenge.Challenge, Spans>()
  const begin = (name: string, { payment }: Pick<Spans, 'payment'>, startTime?: number) =>
    tracer.startSpan(
      name,
      startTime === undefined ? {} : { startTime },
      trace.setSpan(context.active(), payment),
    )

  function close(challenge: Challenge.Challenge | undefined, attributes: Attributes, why?: Why) {
    const spans = challenge && open.get(challenge)
    if (!challenge || !spans) return
    open.delete(challenge)
    spans.payment.setAttributes(attributes)
    for (const span of [spans.stage, spans.payment]) {
      if (span && why) fail(span, why)
      span?.end()
    }
  }

  return [
    on('challenge', ({ rails, challenges }) =>
      tracer
        .startSpan('mpp.challenge', {
          attributes: { 'mpp.rails': [...rails], 'mpp.challenge.ids': [...challenges] },
        })
        .end(),
    ),
    on('claimed', ({ challenge, price, resumed, isSettled, took }) => {
      const startTime = Date.now() - took
      const attributes = { ...aboutOf(challenge, price), 'mpp.resumed': resumed }
      const payment = tracer.startSpan('mpp.payment', { attributes, startTime })
      begin('mpp.claim', { payment }, startTime).end()
      const stage = begin(isSettled ? 'mpp.deliver' : 'mpp.settle', { payment })
      open.set(challenge, { payment, stage })
    }),
    on('settled', ({ challenge, receipt }) => {
      const spans = open.get(challenge)
      spans?.payment.setAttribute('mpp.reference', receipt.reference)
      spans?.stage?.end()
      if (spans) spans.stage = begin('mpp.deliver', spans)
    }),
    on('delivered', ({ challenge }) => close(challenge, { 'mpp.outcome': 'delivered' })),
    ...(['owed', 'canceled'] as const).map((outcome) =>
      on(outcome, ({ challenge, cause }) =>
        close(challenge, { 'mpp.outcome': outcome }, { type: outcome, cause }),
      ),
    ),
    on('rejected', ({ challenge, problem, cause }) =>
      close(challenge, { 'mpp.outcome': 'rejected' }, { type: problem.code, cause }),
    ),
    on('indeterminate', ({ challenge, cause }) =>
      close(
        challenge,
        { 'mpp.outcome': 'indeterminate' },
        { type: 'payment-indeterminate', cause },
      ),
    ),
    on('offer-failed', ({ cause }) => noteActive(cause)),
    on('error', ({ cause }) => noteActive(cause)),
  ]
}

const aboutOf = (challenge: Challenge.Challenge, price: Method.Price | undefined): Attributes => ({
  ...railOf(challenge),
  'mpp.challenge.id': challenge.id,
  'mpp.realm': challenge.realm,
  ...(price && { 'mpp.amount': String(price.amount), 'mpp.currency': price.currency }),
})

type Why = { type: string; cause: unknown }

function fail(span: Span, { type, cause }: Why): void {
  span.setAttribute('error.type', type)
  if (cause !== undefined) span.recordException(exceptionOf(cause))
  span.setStatus({ code: SpanStatusCode.ERROR })
}

/** What happens inside a request shows on its own span, where the application's HTTP server makes one. */
const noteActive = (cause: unknown): void =>
  trace.getActiveSpan()?.recordException(exceptionOf(cause))

const exceptionOf = (cause: unknown): Error | string =>
  cause instanceof Error ? cause : String(cause)
