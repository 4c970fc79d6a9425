/**
 * Lightning nodes on your own machine: `Lightning.start()` runs two with a funded channel, and stops without a trace.
 *
 * @module
 */
export * as Lightning from './lightning/Lightning.js'
