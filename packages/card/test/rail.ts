/**
 * Card charges on a local card network, for the conformance suite and for the tests of this package.
 *
 * @module
 */
import type { Fault, Rail } from '@polyrail/conformance'
import type { charge } from '@polyrail/card'
import { card as paying, httpEnabler as vaultOver } from '@polyrail/card/client'
import { card as paid, httpEnabler as acquirerOver } from '@polyrail/card/server'
import { LocalCards } from '@polyrail/sandbox/card'

const CHARGE = 'POST /v1/charges'

const FAULTS: Record<Fault, LocalCards.CardFault> = {
  'before-settle': { fail: 'drop', times: 1 },
  'after-settle': { fail: 'drop', executed: true, times: 1 },
  hang: { fail: 'hang', times: 1 },
}

/** The fixture of the conformance suite. */
export async function createRail() {
  const local = await LocalCards.start({ quiet: true })
  const merchant = { key: local.key, merchantName: 'Shop' }
  return {
    server: paid.charge({ ...merchant, enabler: acquirerOver(local.acquirer) }),
    client: paying.charge({ enabler: vaultOver(local.vault), cardId: 'card_visa' }),
    options: { amount: '0.50' },
    dearer: { amount: '1.00' },
    capabilities: {
      pushes: false,
      issues: false,
      bindsChallenge: false,
      namesPayer: false,
      reconciles: true,
    },
    tamper(payload, { request: { amount } }) {
      const issue = (more: Partial<LocalCards.IssueOptions> = {}) =>
        local.issue({ amount, ...more }) as typeof payload
      const bad = (title: string, spoiled: unknown, code = 'verification-failed') => ({
        title,
        payload: spoiled,
        code,
      })
      const [header, key, iv, text, tag] = payload.encryptedPayload.split('.') as [
        string,
        string,
        string,
        string,
        string,
      ]
      const malformed = 'malformed-credential'
      const other = local.issue({ amount }).encryptedPayload.split('.')
      const sealed = (...parts: string[]) => ({ ...payload, encryptedPayload: parts.join('.') })
      return [
        bad('a token of a card that is declined', issue({ cardId: 'card_insufficient_funds' })),
        bad('a token for another amount', local.issue({ amount: '49' })),
        bad('a token for another currency', issue({ currency: 'eur' })),
        bad('a cryptogram that has expired', issue({ cryptogramExpires: local.now() - 1 })),
        bad('a token that has expired', issue({ tokenExpirationYear: '2020' })),
        bad('another network than its token’s', { ...payload, network: 'amex' }),
        bad('another card’s last four digits', { ...payload, panLastFour: '0000' }),
        bad('a compressed token', issue({ header: { zip: 'DEF' } })),
        bad('a token for another kid', issue({ header: { kid: 'other' } })),
        bad('a plaintext that is none', issue({ plaintext: Buffer.from('{}') })),
        bad('the authentication tag of another', sealed(header, key, iv, text, other[4] ?? '')),
        bad('half a tag', sealed(header, key, iv, text, tag.slice(0, 10) + 'A')),
        bad('no tag', sealed(header, key, iv, text), malformed),
        bad('no token', { ...payload, encryptedPayload: undefined }, malformed),
        bad(
          'a token in the clear',
          { ...payload, encryptedPayload: '4242424242424242' },
          malformed,
        ),
        bad('an unknown network', { ...payload, network: 'shell' }, malformed),
      ]
    },
    fault(kind) {
      const isHeld = local.charges.at(-1)?.status === 'authorized'
      local.fault({ ...FAULTS[kind], call: isHeld ? `${CHARGE}/:key/capture` : CHARGE })
    },
    refunded: () => Object.values(local.refunded).reduce((sum, { count }) => sum + count, 0),
    settled: () => Object.values(local.captured).reduce((sum, { count }) => sum + count, 0),
    stop: () => local.stop(),
  } satisfies Rail<typeof charge>
}
