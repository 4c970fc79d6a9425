/**
 * Beneath a page that is paid for over Lightning lies the same bare handler.
 *
 * @module
 */
import { cases as served } from './server.mjs'

export const cases = { paid: served['paid'] }
