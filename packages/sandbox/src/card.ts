/**
 * A card network on your own machine: `LocalCards.start()` makes network tokens and takes them, over HTTP, and keeps books.
 *
 * @module
 */
export * as LocalCards from './card/LocalCards.js'
