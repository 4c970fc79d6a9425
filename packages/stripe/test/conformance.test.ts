/**
 * The Stripe charge passes the conformance suite on a local Stripe.
 *
 * @module
 */
import { conformance } from '@polyrail/conformance/vitest'
import { createRail } from './rail.js'

conformance(await createRail(), { copies: 1000 })
