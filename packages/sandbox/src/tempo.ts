/**
 * A Tempo chain on your own machine: `Tempo.start()` runs it, hands out funded accounts and stops without a trace.
 *
 * @module
 */
export * as Tempo from './tempo/Tempo.js'
