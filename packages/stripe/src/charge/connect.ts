/**
 * Stripe Connect: where the money goes, decided by the server alone.
 *
 * @module
 */

/** Connect's parameters of one payment. Amounts are in the smallest unit of the currency. */
export type Settlement = {
  /** The connected account in whose name Stripe is asked. */
  stripeAccount?: string | undefined
  /** The platform's part. */
  applicationFeeAmount?: bigint | undefined
  /** The connected account that is the business of record. */
  onBehalfOf?: string | undefined
  /** The connected account that gets the money, or `amount` of it. */
  transferData?: { destination: string; amount?: bigint | undefined } | undefined
  /** Ties charges and transfers together; not a secret. */
  transferGroup?: string | undefined
}

/**
 * Checks Connect's parameters against the payment that they are for.
 *
 * @param accounts - Connected accounts that the server may use.
 * @throws TypeError naming the parameter.
 * @see Stripe charge draft, Stripe Connect Parameter Integrity
 */
export function checkSettlement(
  settlement: Settlement,
  { amount, accounts }: { amount: bigint; accounts: readonly string[] | undefined },
): void {
  checkObject(settlement)
  checkNames('', settlement, KNOWN)
  if (settlement.transferData)
    checkNames('transferData.', settlement.transferData, KNOWN_OF_TRANSFER)
  const { stripeAccount, onBehalfOf, transferData, applicationFeeAmount, transferGroup } =
    settlement
  const named = { stripeAccount, onBehalfOf, 'transferData.destination': transferData?.destination }
  for (const [name, account] of Object.entries(named))
    if (account !== undefined) checkAccount(name, account, accounts)
  if (transferData && typeof transferData.destination !== 'string')
    throw new TypeError('stripe/charge: transferData needs a destination.')
  if (transferGroup !== undefined && (typeof transferGroup !== 'string' || transferGroup === ''))
    throw new TypeError('stripe/charge: transferGroup must be text.')
  checkPart('applicationFeeAmount', applicationFeeAmount, amount)
  checkPart('transferData.amount', transferData?.amount, amount)
}

const KNOWN: ReadonlySet<string> = new Set([
  'stripeAccount',
  'applicationFeeAmount',
  'onBehalfOf',
  'transferData',
  'transferGroup',
])
const KNOWN_OF_TRANSFER: ReadonlySet<string> = new Set(['destination', 'amount'])

/** As of `order && { … }`, where there is no order. */
function checkObject(given: unknown): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new TypeError('stripe/charge: connect.settlement must return an object, {} for nothing.')
}

/** A name that is misspelt would cost the platform its fee, and nobody would notice. */
function checkNames(where: string, given: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(given))
    if (!known.has(name))
      throw new TypeError(`stripe/charge: ${where}${name} is not a parameter of Connect.`)
}

function checkAccount(name: string, account: unknown, accounts: readonly string[] | undefined) {
  if (typeof account !== 'string' || !/^acct_\w+$/.test(account))
    throw new TypeError(`stripe/charge: ${name} must be a connected account, acct_….`)
  if (!accounts?.includes(account))
    throw new TypeError(
      `stripe/charge: ${name} is not among connect.accounts, those that this server may use.`,
    )
}

function checkPart(name: string, part: unknown, amount: bigint): void {
  if (part === undefined) return
  if (typeof part !== 'bigint' || part < 0n || part > amount)
    throw new TypeError(`stripe/charge: ${name} must be a bigint from 0 to the amount, ${amount}.`)
}

/** The parameters as Stripe calls them. */
export const toParameters = ({
  applicationFeeAmount,
  onBehalfOf,
  transferData,
  transferGroup,
}: Settlement) => ({
  ...(applicationFeeAmount !== undefined && {
    application_fee_amount: Number(applicationFeeAmount),
  }),
  ...(onBehalfOf !== undefined && { on_behalf_of: onBehalfOf }),
  ...(transferData && {
    transfer_data: {
      destination: transferData.destination,
      ...(transferData.amount !== undefined && { amount: Number(transferData.amount) }),
    },
  }),
  ...(transferGroup !== undefined && { transfer_group: transferGroup }),
})
