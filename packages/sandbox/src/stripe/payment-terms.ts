/**
 * What a request for a PaymentIntent asks for.
 *
 * @module
 */
import type { Call } from './call.js'
import { readConnect } from './connect.js'
import { readAmount, readCurrency } from './currencies.js'
import { readMetadata } from './metadata.js'
import { type Parameters, unknownParameter } from './parameters.js'
import { invalid } from './refusal.js'
import type { PaymentTerms } from './world.js'

/** With what is paid: a token, or a payment method. `param` names it in errors. */
export type Instrument = { kind: 'method' | 'token'; id: string; param: string }

/** Parameters that Stripe has and this does not: refused, since to ignore them would be to pretend. */
const unmodelled = [
  'amount_details',
  'confirmation_token',
  'customer',
  'customer_account',
  'hooks',
  'mandate',
  'mandate_data',
  'payment_method_options',
  'radar_options',
  'setup_future_usage',
  'shipping',
]

/** Types of payment methods that may be asked for. Those of the test methods can pay. */
const types = new Set(
  'affirm afterpay_clearpay alipay amazon_pay bancontact card cashapp crypto eps ideal klarna link paypal revolut_pay sepa_debit us_bank_account'.split(
    ' ',
  ),
)

/** Reads the terms of a new payment. */
export function readTerms(call: Call): PaymentTerms {
  const { parameters } = call
  refuseUnmodelled(parameters)
  const currency = readCurrency(parameters)
  const amount = readAmount(parameters, currency)
  const captureMethods = ['automatic', 'automatic_async', 'manual'] as const
  return {
    amount,
    currency,
    captureMethod: parameters.choice('capture_method', captureMethods) ?? 'automatic_async',
    confirmationMethod:
      parameters.choice('confirmation_method', ['automatic', 'manual'] as const) ?? 'automatic',
    ...readMethods(parameters),
    metadata: readMetadata(parameters) ?? {},
    description: parameters.text('description', 1_000),
    receiptEmail: readEmail(parameters),
    returnUrl: parameters.text('return_url'),
    descriptor: parameters.text('statement_descriptor', 22),
    descriptorSuffix: parameters.text('statement_descriptor_suffix', 22),
    ...readConnect(call, amount),
  }
}

function refuseUnmodelled(parameters: Parameters): void {
  const named = unmodelled.find((key) => parameters.has(key))
  if (named === undefined) return
  throw parameters.refuse(named, `The local Stripe does not model the parameter ${named}.`)
}

function readMethods(parameters: Parameters): Pick<PaymentTerms, 'allowRedirects' | 'types'> {
  parameters.flag('use_stripe_sdk')
  const automatic = parameters.group('automatic_payment_methods')
  const isEnabled = automatic?.flag('enabled')
  const redirects = automatic?.choice('allow_redirects', ['always', 'never'] as const)
  const named = readTypes(parameters)
  if (isEnabled && named !== undefined) {
    throw parameters.refuse(
      'payment_method_types',
      'Only one of automatic_payment_methods and payment_method_types may be given.',
      'parameters_exclusive',
    )
  }
  // Without a word about either, Stripe chooses.
  const types = isEnabled === false ? (named ?? ['card']) : named
  return { types, allowRedirects: redirects ?? 'always' }
}

function readTypes(parameters: Parameters): readonly string[] | undefined {
  const key = 'payment_method_types'
  const named = parameters.list(key)
  const unknown = named?.find((type) => !types.has(type))
  if (unknown === undefined) return named
  throw parameters.refuse(key, `The payment method type ${unknown} is invalid.`)
}

function readEmail(parameters: Parameters): string | undefined {
  const email = parameters.text('receipt_email', 800)
  if (email === undefined || /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(email)) return email
  throw parameters.refuse('receipt_email', `Invalid email address: ${email}`, 'email_invalid')
}

/** Reads with what is to be paid, from any of the three places where it may be said. */
export function readInstrument({ parameters, preview }: Call): Instrument | undefined {
  const key = 'shared_payment_granted_token'
  const data = parameters.group('payment_method_data')
  const found: (Instrument | undefined)[] = [
    toInstrument('token', parameters, key),
    data && toInstrument('token', data, key),
    toInstrument('method', parameters, 'payment_method'),
  ]
  data?.text('type')
  const [first, second] = found.filter((one) => one !== undefined)
  if (!preview && first?.kind === 'token') throw unknownParameter(first.param)
  if (first && second) {
    const words = `Only one of ${first.param} and ${second.param} may be given.`
    throw invalid(words, { code: 'parameters_exclusive', param: second.param })
  }
  if (data && first?.param !== data.name(key)) {
    const words = 'The local Stripe models payment_method_data with a shared payment token alone.'
    throw invalid(words, { param: 'payment_method_data' })
  }
  return first
}

function toInstrument(
  kind: Instrument['kind'],
  parameters: Parameters,
  key: string,
): Instrument | undefined {
  const id = parameters.text(key)
  return id === undefined ? undefined : { kind, id, param: parameters.name(key) }
}
