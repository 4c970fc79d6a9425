/**
 * A Stripe on your own machine: `LocalStripe.start()` answers the real `stripe` package over HTTP, and keeps books.
 *
 * @module
 */
export * as LocalStripe from './stripe/LocalStripe.js'
