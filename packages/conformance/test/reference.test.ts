/**
 * The reference rails pass the whole suite.
 *
 * @module
 */
import { reference } from '@polyrail/conformance'
import { conformance } from '@polyrail/conformance/vitest'

conformance(reference.order(), { copies: 1000 })
conformance(reference.token(), { copies: 1000 })
conformance(reference.invoice(), { copies: 1000 })
conformance(reference.token({ form: 'split' }))
