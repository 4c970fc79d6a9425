/** Owns a chain and ends in the way that its argument says. */
import { run } from '../dist/tempo/anvil.js'

const [, , mode] = process.argv
if (mode === 'stop') {
  const { Tempo } = await import('../dist/tempo.js')
  const chain = await Tempo.start({ quiet: true })
  await chain.account()
  await chain.stop()
  console.log('http://stopped')
} else {
  const anvil = await run({ chainId: 1337 })
  console.log(anvil.url)
  setInterval(() => {}, 1_000)
  if (mode === 'exit') setTimeout(() => process.exit(0), 50)
  if (mode === 'throw') setTimeout(() => Promise.reject(new Error('on purpose')), 50)
}
