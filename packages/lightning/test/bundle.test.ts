/**
 * Bundles: each wallet comes alone, and what runs everywhere takes nothing from Node.
 *
 * @module
 */
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const WALLETS = ['lnd', 'phoenixd', 'nwc', 'spark']

const bundle = async (name: string, platform: 'browser' | 'neutral' | 'node') => {
  const { metafile } = await build({
    stdin: {
      contents: `import { ${name} } from '@polyrail/lightning/${name}'\nconsole.log(${name})`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    format: 'esm',
    platform,
    mainFields: ['module', 'main'],
    write: false,
    metafile: true,
    logLevel: 'error',
  })
  return Object.keys(metafile.inputs)
}

const strangers = (inputs: readonly string[], name: string) =>
  WALLETS.filter(
    (other) => other !== name && inputs.some((input) => input.endsWith(`/dist/${other}.js`)),
  )

test.each(['lnd', 'phoenixd', 'nwc'])('%s runs in a browser and at the edge', async (name) => {
  for (const platform of ['browser', 'neutral'] as const) {
    const inputs = await bundle(name, platform)
    expect(inputs.filter((input) => /\/ws\/|\.node\.js$/.test(input))).toEqual([])
    const packages = inputs.filter((input) => input.includes('node_modules'))
    if (name === 'nwc') expect(packages.join()).toContain('nostr-tools')
    else expect(packages).toEqual([])
  }
})

test.each(WALLETS)('%s comes alone', async (name) => {
  expect(strangers(await bundle(name, 'node'), name)).toEqual([])
})
