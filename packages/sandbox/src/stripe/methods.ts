/**
 * Payment methods as the API shows them.
 *
 * @module
 */
import type { TestMethod } from './test-methods.js'
import type { PaymentMethod } from './world.js'

/** Whom the bill is for: nobody in particular. */
export function showBillingDetails(): object {
  const address = {
    city: null,
    country: null,
    line1: null,
    line2: null,
    postal_code: null,
    state: null,
  }
  return { address, email: null, name: null, phone: null, tax_id: null }
}

/** What is known of a card, of a bank account or of Link. */
export function showCard(method: TestMethod): object {
  if (method.type === 'link') return { email: null }
  if (method.type === 'us_bank_account') {
    const bank = { bank_name: 'STRIPE TEST BANK', routing_number: '110000000' }
    return {
      account_holder_type: 'individual',
      account_type: 'checking',
      ...bank,
      last4: method.last4,
    }
  }
  return {
    brand: method.brand,
    country: 'US',
    display_brand: method.brand,
    exp_month: 12,
    exp_year: new Date().getUTCFullYear() + 4,
    funding: method.funding,
    last4: method.last4,
    networks: { available: [method.brand], preferred: null },
    wallet: null,
  }
}

/** A payment method. */
export function showMethod({ id, created, from }: PaymentMethod): object {
  return {
    id,
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: showBillingDetails(),
    [from.type]: showCard(from),
    created,
    customer: null,
    livemode: false,
    metadata: {},
    type: from.type,
  }
}
